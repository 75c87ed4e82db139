"""SIG Multicluster's ClusterProfile for each cluster (KEP-4322), so that other tools find the fleet."""

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import NamedTuple

from atoll.api.names import FIELD_MANAGER, SYSTEM_NAMESPACE
from atoll.api.objects import Json
from atoll.fleet.link import Reach
from atoll.kube.client import Client
from atoll.kube.errors import AlreadyExists, KindNotServed, NotFound
from atoll.kube.objects import Object
from atoll.kube.resources import CLUSTERPROFILES
from atoll.plan.model import ClusterFacts

MANAGER_LABEL = "x-k8s.io/cluster-manager"
MANAGER = "atoll"


class _There(NamedTuple):
    """What a profile says, as far as it is ours to say; which one that is, and in which version."""

    body: Json
    status: Json
    uid: str
    version: str


class Profiles:
    """Writes profiles where they differ from what is there. A hub without the CRD publishes none.

    Each write says what it was computed from: one that a former leader had under way may come late.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._published: dict[str, _There] | None = None
        """By cluster. None until what is there was read."""
        self._reading = asyncio.Lock()

    async def publish(self, facts: ClusterFacts, reach: Reach) -> None:
        """Raises Conflict when somebody else wrote meanwhile: the next time it is right."""
        try:
            async with self._reading:  # once: whoever comes second would take what has changed since for the present
                if self._published is None:
                    self._published = await self._read()
            await self._publish(self._published, facts, reach)
        except (KindNotServed, NotFound):
            return

    async def _read(self) -> dict[str, _There]:
        listing = await self._client.list(CLUSTERPROFILES, SYSTEM_NAMESPACE, labels=f"{MANAGER_LABEL}={MANAGER}")
        return {live.name: _there(live) for live in listing.items}

    async def _publish(self, published: dict[str, _There], facts: ClusterFacts, reach: Reach) -> None:
        body, status = profile(facts), profile_status(facts, reach)
        before = published.pop(facts.name, None)  # a write whose answer is lost may have been carried out
        if before is None:
            before = await self._made(body)
        if reach.reachable is None and before.status != _EMPTY:
            status = before.status  # a hub that has just started hasn't tried yet: what is there stands
        _keep_times(status, before.status)
        version = before.version
        if before.body != body:
            version = (await self._apply(body, version=version)).resource_version
        if before.status != status:
            version = (await self._apply(body | {"status": status}, "status", version=version)).resource_version
        published[facts.name] = _There(body, status, before.uid, version)

    async def _made(self, body: Json) -> _There:
        """A profile that is made now, or is there already."""
        try:
            return _there(await self._apply(body, new=True))
        except AlreadyExists:
            return _there(await self._client.get(CLUSTERPROFILES, body["metadata"]["name"], SYSTEM_NAMESPACE))

    async def _apply(self, body: Json, subresource: str = "", *, version: str = "", new: bool = False) -> Object:
        return await self._client.apply(
            CLUSTERPROFILES,
            body,
            name=body["metadata"]["name"],
            namespace=SYSTEM_NAMESPACE,
            manager=FIELD_MANAGER,
            force=True,
            subresource=subresource,
            only_create=new,
            resource_version=version,
        )

    async def drop(self, name: str) -> None:
        async with self._reading:  # not in the middle of a first look, which would find it still
            known = self._published.pop(name, None) if self._published is not None else None
            with contextlib.suppress(KindNotServed, NotFound):
                uid = known.uid if known is not None else ""
                await self._client.delete(CLUSTERPROFILES, name, SYSTEM_NAMESPACE, uid=uid)


def profile(facts: ClusterFacts) -> Json:
    return {
        "apiVersion": CLUSTERPROFILES.api_version,
        "kind": CLUSTERPROFILES.kind,
        "metadata": {"name": facts.name, "namespace": SYSTEM_NAMESPACE, "labels": {MANAGER_LABEL: MANAGER}},
        "spec": {"displayName": facts.name, "clusterManager": {"name": MANAGER}},
    }


def profile_status(facts: ClusterFacts, reach: Reach) -> Json:
    """`properties` carry the facts, by the well-known names where there are any (KEP-2149's ids among them)."""
    healthy = {True: "True", False: "False", None: "Unknown"}[reach.reachable]
    properties = {
        "cluster.clusterset.k8s.io": facts.name,
        "topology.kubernetes.io/region": facts.region,
        "topology.kubernetes.io/zone": facts.zone,
        "atoll.dev/provider": facts.provider,
        "atoll.dev/uid": facts.uid,
    }
    return {
        "version": {"kubernetes": facts.version} if facts.version else {},
        "properties": [{"name": name, "value": value} for name, value in properties.items() if value],
        "conditions": [
            {
                "type": "ControlPlaneHealthy",
                "status": healthy,
                "reason": reach.reason or "Reachable",
                "message": reach.message,
                "lastTransitionTime": _time(reach.since),
            }
        ],
    }


def _there(live: Object) -> _There:
    """What a profile says of what we say, in our form."""
    body = live.body()
    metadata, status = body["metadata"], body.get("status") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key == MANAGER_LABEL}
    mine = {key: metadata[key] for key in ("name", "namespace")} | {"labels": labels}
    said = {key: body.get(key) for key in ("apiVersion", "kind", "spec")} | {"metadata": mine}
    told = {key: status.get(key) or empty for key, empty in _EMPTY.items()}
    return _There(said, told, live.uid, live.resource_version)


def _keep_times(status: Json, before: Json) -> None:
    """A condition that says the same as before has been so since then."""
    times = {(c["type"], c["status"]): c["lastTransitionTime"] for c in before["conditions"]}
    for condition in status["conditions"]:
        key = condition["type"], condition["status"]
        condition["lastTransitionTime"] = times.get(key, condition["lastTransitionTime"])


_EMPTY: Json = {"version": {}, "properties": [], "conditions": []}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
