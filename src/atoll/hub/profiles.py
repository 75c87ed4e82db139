"""SIG Multicluster's ClusterProfile for each cluster (KEP-4322), so that other tools find the fleet."""

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
    """Writes profiles when they change. A hub without the CRD publishes none."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._published: dict[str, tuple[Json, Json]] = {}

    async def publish(self, facts: ClusterFacts, reach: Reach) -> None:
        body, status = profile(facts), profile_status(facts, reach)
        if self._published.get(facts.name) == (body, status):
            return
        try:
            await self._apply(facts.name, body)
            await self._apply(facts.name, body | {"status": status}, "status")
        except (KindNotServed, NotFound):
            return
        self._published[facts.name] = body, status

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


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
