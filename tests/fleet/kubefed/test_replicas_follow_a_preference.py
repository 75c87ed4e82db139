"""A ReplicaSchedulingPreference writes placement and replicas on its target; members' own statuses are gathered."""

from typing import Any

from atoll.kube.kubefed_resources import REPLICASCHEDULINGPREFERENCES
from atoll.kube.resources import DEPLOYMENTS
from tests.fleet.kubefed.test_a_type_is_propagated import WORKLOAD
from tests.fleet.kubefed.world import BOTH, HOST, MEMBER, FederatedWorld, apply, on, target

Json = dict[str, Any]
DEPLOYMENT = target("Deployment")


async def numbers(world: FederatedWorld) -> dict[str, int]:
    return {c: (await world.member(c, DEPLOYMENT, world.name))["spec"]["replicas"] for c in BOTH}


async def test_replicas_follow_a_preference(world: FederatedWorld) -> None:
    await world.federate(DEPLOYMENT, world.name, template={"spec": {"replicas": 1, **WORKLOAD}}, placement=on(HOST))
    preference = {
        "targetKind": "FederatedDeployment",
        "totalReplicas": 6,
        "rebalance": True,
        "clusters": {HOST: {"weight": 1}, MEMBER: {"weight": 2}},
    }
    await apply(world.host, REPLICASCHEDULINGPREFERENCES, world.name, world.namespace, spec=preference)

    async def divided(expected: dict[str, int]) -> bool:
        return await numbers(world) == expected

    await world.eventually(lambda: divided({HOST: 2, MEMBER: 4}))
    spec = (await world.live(DEPLOYMENT, world.name))["spec"]
    assert spec["placement"] == on(*sorted(BOTH))
    assert spec["overrides"] == [
        {"clusterName": HOST, "clusterOverrides": [{"path": "/spec/replicas", "value": 2}]},
        {"clusterName": MEMBER, "clusterOverrides": [{"path": "/spec/replicas", "value": 4}]},
    ]
    preference["clusters"] = {HOST: {"weight": 1, "maxReplicas": 1}, "*": {"weight": 1}}
    await apply(world.host, REPLICASCHEDULINGPREFERENCES, world.name, world.namespace, spec=preference)
    await world.eventually(lambda: divided({HOST: 1, MEMBER: 5}))
    await world.host.delete(REPLICASCHEDULINGPREFERENCES, world.name, world.namespace)


async def test_members_own_statuses_are_gathered(world: FederatedWorld) -> None:
    await world.federate(DEPLOYMENT, world.name, template={"spec": {"replicas": 1, **WORKLOAD}}, placement=on(*BOTH))

    async def gathered() -> bool:
        clusters = ((await world.live(DEPLOYMENT, world.name)).get("status") or {}).get("clusters") or ()
        remote = {one["name"]: one.get("remoteStatus") or {} for one in clusters}
        return {name: one.get("readyReplicas") for name, one in remote.items()} == dict.fromkeys(BOTH, 1)

    await world.eventually(gathered, 15)
    await world.propagated(DEPLOYMENT, world.name)


async def test_a_members_own_replicas_stay_where_that_is_wanted(world: FederatedWorld) -> None:
    spec: Json = {"template": {"spec": {"replicas": 1, **WORKLOAD}}, "placement": on(MEMBER), "retainReplicas": True}
    await world.federate(DEPLOYMENT, world.name, **spec)
    await world.propagated(DEPLOYMENT, world.name, 15)
    await world.clients[MEMBER].patch(DEPLOYMENTS, world.name, world.namespace, {"spec": {"replicas": 3}})
    spec["template"] = {"metadata": {"labels": {"new": "yes"}}, "spec": {"replicas": 1, **WORKLOAD}}
    await world.federate(DEPLOYMENT, world.name, **spec)

    async def changed() -> bool:
        labels = (await world.member(MEMBER, DEPLOYMENT, world.name))["metadata"]["labels"]
        return bool(labels.get("new") == "yes")

    await world.eventually(changed)
    assert (await numbers_on(world, MEMBER)) == 3


async def numbers_on(world: FederatedWorld, cluster: str) -> int:
    return int((await world.member(cluster, DEPLOYMENT, world.name))["spec"]["replicas"])
