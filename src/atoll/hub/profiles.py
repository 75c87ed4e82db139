"""SIG Multicluster's ClusterProfile for each cluster (KEP-4322), so that other tools find the fleet."""

import asyncio
from datetime import UTC, datetime

from atoll.api.names import FIELD_MANAGER, SYSTEM_NAMESPACE
from atoll.api.objects import Json
from atoll.fleet.link import Reach
from atoll.kube.client import Client
from atoll.kube.errors import KindNotServed, NotFound
from atoll.kube.resources import CLUSTERPROFILES
from atoll.plan.model import ClusterFacts

MANAGER_LABEL = "x-k8s.io/cluster-manager"
MANAGER = "atoll"


class Profiles:
    """Writes profiles where they differ from what is there. A hub without the CRD publishes none."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._published: dict[str, tuple[Json, Json]] | None = None
        """By cluster: what it is and its status. None until what is there was read."""
        self._reading = asyncio.Lock()

    async def publish(self, facts: ClusterFacts, reach: Reach) -> None:
        try:
            async with self._reading:  # once: whoever comes second would take what has changed since for the present
                if self._published is None:
                    self._published = await self._read()
            await self._publish(self._published, facts, reach)
        except (KindNotServed, NotFound):
            return

    async def _read(self) -> dict[str, tuple[Json, Json]]:
        listing = await self._client.list(CLUSTERPROFILES, SYSTEM_NAMESPACE, labels=f"{MANAGER_LABEL}={MANAGER}")
        return {live.name: _said(live.body()) for live in listing.items}

    async def _publish(self, published: dict[str, tuple[Json, Json]], facts: ClusterFacts, reach: Reach) -> None:
        before = published.get(facts.name)
        if reach.reachable is None and before is not None:
            return  # a hub that has just started hasn't tried yet: what is there stands
        body, status = profile(facts), profile_status(facts, reach)
        if before is not None:
            _keep_times(status, before[1])
        if before == (body, status):
            return
        published.pop(facts.name, None)  # a write whose answer is lost may have been carried out
        if before is None or before[0] != body:
            await self._apply(facts.name, body)
        if before is None or before[1] != status:
            await self._apply(facts.name, body | {"status": status}, "status")
        published[facts.name] = body, status

    async def _apply(self, name: str, body: Json, subresource: str = "") -> None:
        await self._client.apply(
            CLUSTERPROFILES,
            body,
            name=name,
            namespace=SYSTEM_NAMESPACE,
            manager=FIELD_MANAGER,
            force=True,
            subresource=subresource,
        )

    async def drop(self, name: str) -> None:
        if self._published is not None:
            self._published.pop(name, None)
        try:
            await self._client.delete(CLUSTERPROFILES, name, SYSTEM_NAMESPACE)
        except (KindNotServed, NotFound):
            return


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


def _said(there: Json) -> tuple[Json, Json]:
    """What a profile says of what we say, in our form."""
    metadata, status = there["metadata"], there.get("status") or {}
    mine = {key: metadata[key] for key in ("name", "namespace")} | {"labels": {MANAGER_LABEL: MANAGER}}
    body = {key: there.get(key) for key in ("apiVersion", "kind", "spec")} | {"metadata": mine}
    return body, {key: status.get(key) or empty for key, empty in _EMPTY.items()}


def _keep_times(status: Json, before: Json) -> None:
    """A condition that says the same as before has been so since then."""
    times = {(c["type"], c["status"]): c["lastTransitionTime"] for c in before["conditions"]}
    for condition in status["conditions"]:
        key = condition["type"], condition["status"]
        condition["lastTransitionTime"] = times.get(key, condition["lastTransitionTime"])


_EMPTY: Json = {"version": {}, "properties": [], "conditions": []}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
