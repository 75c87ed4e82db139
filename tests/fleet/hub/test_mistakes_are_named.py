"""Mistakes in an Application: told with the field and what to do, at admission when the hub's webhook is served, in the
status when it isn't; and nothing is changed anywhere.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from atoll.api.validate import validate
from atoll.kube.errors import ApiError, Invalid, NotFound, TooLarge
from atoll.kube.resources import CLUSTERROLES, NAMESPACES
from tests.fleet.hub.world import CONFIGMAPS, HubProcess, World, configmap, deployment

Json = dict[str, Any]


@pytest.fixture(scope="module", params=["webhook", "no webhook"])
def webhook(request: pytest.FixtureRequest, hub: HubProcess) -> Iterator[bool]:
    """Whether mistakes are told at admission."""
    if request.param == "webhook":
        yield True
        return
    hub.stop()
    hub.start("--webhook-address", "")
    yield False
    hub.stop()
    hub.start()


async def told(world: World, manifests: list[Json], webhook: bool, **spec: Any) -> str:
    """Deploy what is wrong; what is said about it. Afterwards nothing has come of it."""
    members = list(world.members)
    if webhook:
        with pytest.raises(Invalid) as caught:
            await world.deploy("wrong", manifests, members, **spec)
        assert await world.no_applications()
        message = str(caught.value)
    else:
        await world.deploy("wrong", manifests, members, **spec)

        async def refused() -> Json | None:
            accepted = await world.condition("wrong", "Accepted")
            return accepted if accepted.get("status") == "False" else None

        accepted = await world.eventually(refused)
        assert accepted["reason"] == "Invalid"
        assert (await world.condition("wrong", "Ready"))["status"] == "False"
        assert (await world.condition("wrong", "Stalled"))["status"] == "True"
        message = str(accepted["message"])
    for member in members:
        with pytest.raises(NotFound):
            await world.clients[member].get(NAMESPACES, world.namespace)
    return message


def elsewhere(name: str, namespace: str) -> Json:
    body = configmap(name, v="1")
    body["metadata"]["namespace"] = namespace
    return body


def repeated_port() -> Json:
    body = deployment("web")
    body["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"containerPort": 80}, {"containerPort": 80}]
    return body


def repeated_variable() -> Json:
    body = deployment("web")
    body["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1"}, {"name": "A"}]
    return body


ROLE: Json = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "atoll-test"}}
POD = "spec.manifests[0].spec.template.spec.containers[0]"

MISTAKES: dict[str, tuple[list[Json], Json, tuple[str, ...]]] = {
    "another namespace": (
        [elsewhere("one", "kube-public")],
        {},
        ("spec.manifests[0].metadata.namespace", "ConfigMap/one", "kube-public", "atoll.dev/reach=cluster"),
    ),
    "cluster-scoped": ([ROLE], {}, ("spec.manifests[0]", "ClusterRole/atoll-test", "atoll.dev/reach=cluster")),
    "cluster-scoped by select": (
        [],
        {"select": [{"apiVersion": ROLE["apiVersion"], "kind": "ClusterRole", "name": "view"}]},
        ("spec.select[0]", "ClusterRole", "atoll.dev/reach=cluster"),
    ),
    "Atoll's own namespace": ([elsewhere("one", "atoll-system")], {}, ("atoll-system", "choose another")),
    "the same object twice": (
        [configmap("one", v="1"), configmap("one", v="2")],
        {},
        ("spec.manifests[1]", "ConfigMap/one", "keep one"),
    ),
    "a port twice": ([repeated_port()], {}, (f"{POD}.ports[1]", "containerPort 80", "Deployment/web")),
    "a variable twice": ([repeated_variable()], {}, (f"{POD}.env[1]", "name A", "Deployment/web")),
    "no name": ([{"apiVersion": "v1", "kind": "ConfigMap"}], {}, ("spec.manifests[0].metadata.name", "is missing")),
    "where does not compile": ([configmap("one")], {"placement": {"where": "cluster.region =="}}, ("where",)),
    "more than fits inline": (
        [configmap(f"c{i}", text="x" * 220_000) for i in range(5)],
        {},
        ("spec.manifests", "1.0 MiB", "select"),
    ),
}


SCHEDULING: tuple[list[Json], Json, tuple[str, ...]] = (
    [deployment("web")],
    {
        "placement": {
            "clusters": ["member1", "member2"],
            "spread": [{"by": "region", "min": 3}, {"by": "regoin", "max": 1}],
        },
        "replicas": {"total": 5, "weights": {"member1": 0, "member3": 1}, "limits": {"*": {"min": 3}}},
        "failover": {"carry": [{"target": {"kind": "Deployment"}, "path": "/status/x", "as": "env", "name": "9"}]},
        "rollout": {
            "stages": [{"name": "a", "clusters": ["member1"]}, {"name": "b", "clusters": ["member1", "member3"]}],
        },
    },
    (
        "spec.placement.spread[0].min: needs 3 clusters, and placement.clusters names 2",
        "spec.placement.spread[1].by: unknown topology key regoin: did you mean region?",
        "spec.replicas.limits: the clusters' min sum to 6, more than the total of 5",
        "spec.replicas.weights: are 0 for member1, member2",
        "spec.failover.carry[0].name: 9 is no name of a variable",
        "spec.rollout.stages[1].clusters: member1 is in stage a, too",
        "spec.rollout.stages: no stage takes member2",
    ),
)


@pytest.mark.parametrize("webhook", ["webhook"], indirect=True)
async def test_all_that_can_never_be_scheduled_is_told_at_once(world: World, webhook: bool) -> None:
    manifests, spec, words = SCHEDULING
    message = await told(world, manifests, webhook, **spec)
    for word in words:
        assert word in message


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_is_told_with_its_field_and_what_to_do(world: World, webhook: bool, mistake: str) -> None:
    manifests, spec, words = MISTAKES[mistake]
    message = await told(world, manifests, webhook, **spec)
    for word in words:
        assert word in message


async def test_both_ways_tell_the_same_words(world: World, webhook: bool) -> None:
    """At admission after the API server's own, in the status alone."""
    message = await told(world, [repeated_port()], webhook)
    (issue,) = validate(json.loads(application(world.namespace, repeated_port())))
    words = f"{issue.path}: {issue.message}"
    assert message.removesuffix(words).endswith("denied the request: ") if webhook else message == words
    assert message.endswith(words)


async def test_what_was_delivered_before_stays_as_it_is(world: World, webhook: bool) -> None:
    await world.deploy("app", [configmap("one", v="1")])
    await world.ready("app")
    before = {m: await world.find(m, CONFIGMAPS, "one") for m in world.members}
    wrong = {"manifests": [configmap("one", v="2"), configmap("one", v="3")]}
    if webhook:
        with pytest.raises(Invalid, match="keep one"):
            await world.patch("app", wrong)
    else:
        await world.patch("app", wrong)

        async def refused() -> bool:
            return (await world.condition("app", "Accepted")).get("status") == "False"

        await world.eventually(refused)
        applied = await world.condition("app", "Applied")
        assert applied["message"] == "what was applied before stays as it is"
    assert {m: await world.find(m, CONFIGMAPS, "one") for m in world.members} == before


async def test_five_thousand_objects_inline_are_refused_by_the_definition(world: World, webhook: bool) -> None:
    with pytest.raises(Invalid) as caught:
        await world.deploy("wrong", [configmap(f"c{i}", v="1") for i in range(5000)])
    for word in ("spec.manifests", "more than 1,000 objects", "select"):
        assert word in str(caught.value)
    assert await world.no_applications()


async def test_an_object_that_no_server_takes(world: World, webhook: bool) -> None:
    huge = [configmap("huge", text="x" * 1_700_000)]
    with pytest.raises(ApiError) as caught:
        await world.deploy("wrong", huge)
    if webhook:
        assert "ConfigMap/huge" in str(caught.value)
        assert "1.5 MiB" in str(caught.value)
    else:  # it's the hub's own API server that can't store it
        assert isinstance(caught.value, TooLarge)
    assert await world.no_applications()


def application(namespace: str, *manifests: Json) -> str:
    return json.dumps(
        {
            "apiVersion": "atoll.dev/v1alpha1",
            "kind": "Application",
            "metadata": {"name": "wrong", "namespace": namespace},
            "spec": {"placement": {"all": True}, "manifests": list(manifests)},
        }
    )


async def test_the_command_tells_before_anything_is_sent(world: World) -> None:
    text = application(world.namespace, repeated_port())
    said = world.atoll("app", "deploy", "-f", "-", text=text, code=1)
    assert f"{POD}.ports[1]" in said
    huge = application(world.namespace, configmap("huge", text="x" * 1_700_000))
    said = world.atoll("app", "deploy", "-f", "-", text=huge, code=1)
    assert "ConfigMap/huge" in said
    assert "1.5 MiB" in said
    many = application(world.namespace, *(configmap(f"c{i}") for i in range(5000)))
    assert "select" in world.atoll("app", "deploy", "-f", "-", text=many, code=1)
    assert await world.no_applications()


async def test_a_namespace_that_is_not_there(world: World) -> None:
    missing = f"{world.namespace}-missing"
    text = application(missing, configmap("one", v="1"))
    said = world.atoll("app", "deploy", "-f", "-", text=text, code=1, namespace="")
    assert f"namespace {missing} does not exist on the hub" in said
    assert "--create-namespace" in said
    with pytest.raises(NotFound):
        await world.hub.get(NAMESPACES, missing)


async def test_with_an_administrators_leave_it_reaches_further(world: World) -> None:
    name = f"atoll-{world.namespace}"
    role = ROLE | {"metadata": {"name": name}}
    first = world.members[0]
    await world.open(**{"atoll.dev/reach": "cluster"})
    await world.deploy("app", [role, elsewhere("one", name)], [first])
    await world.ready("app")
    assert await world.clients[first].get(CLUSTERROLES, name)
    assert await world.clients[first].get(CONFIGMAPS, "one", name)  # its namespace was made
    await world.delete("app")
    await world.eventually(world.no_applications)
    with pytest.raises(NotFound):
        await world.clients[first].get(CLUSTERROLES, name)
    assert not (await world.clients[first].get(NAMESPACES, name)).deleting  # never pruned
    await world.clients[first].delete(NAMESPACES, name)
