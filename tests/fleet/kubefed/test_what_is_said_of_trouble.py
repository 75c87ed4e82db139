"""What is wrong is said in KubeFed's words, of the object and the cluster it is about, and holds up nothing else."""

from typing import Any

from atoll.api.kubefed.names import LABEL_MANAGED
from atoll.api.kubefed.types import TargetType
from atoll.kube.kubefed_resources import FEDERATEDTYPECONFIGS
from atoll.kube.resources import CONFIGMAPS, NAMESPACES
from tests.delivering import eventually
from tests.fleet.kubefed.world import (
    BOTH,
    CONTROL_PLANE,
    HOST,
    MEMBER,
    NAMESPACE_TYPE,
    FederatedWorld,
    apply,
    condition,
    enable,
    federated_resource,
    on,
    target,
    words,
)

Json = dict[str, Any]
CONFIGMAP = target("ConfigMap")
TEMPLATE = {"data": {"a": "1"}}


def differing(path: str, value: Any, op: str = "replace", cluster: str = MEMBER) -> list[Json]:
    return [{"clusterName": cluster, "clusterOverrides": [{"op": op, "path": path, "value": value}]}]


async def test_an_override_that_does_not_apply_fails_its_cluster_alone(world: FederatedWorld) -> None:
    wrong = differing("/metadata/annotations/color", "red")
    await world.federate(CONFIGMAP, world.name, template=TEMPLATE, placement=on(*BOTH), overrides=wrong)
    status = await world.troubled(CONFIGMAP, world.name, MEMBER, "ApplyOverridesFailed")
    assert words(status) == {HOST: "", MEMBER: "ApplyOverridesFailed"}
    assert condition(status)["reason"] == "CheckClusters"
    assert not await world.has(MEMBER, CONFIGMAP, world.name)
    assert "annotations" in (await world.events(world.name, "UpdateInClusterFailed"))[0]
    right = differing("/data/a", "2")
    await world.federate(CONFIGMAP, world.name, template=TEMPLATE, placement=on(*BOTH), overrides=right)
    await world.propagated(CONFIGMAP, world.name)
    assert (await world.member(MEMBER, CONFIGMAP, world.name))["data"] == {"a": "2"}


async def test_a_path_that_is_no_pointer_is_refused_with_its_place(world: FederatedWorld) -> None:
    wrong = differing("data/a", "2")
    await world.federate(CONFIGMAP, world.name, template=TEMPLATE, placement=on(*BOTH), overrides=wrong)
    status = await world.troubled(CONFIGMAP, world.name, HOST, "ApplyOverridesFailed")
    assert words(status) == dict.fromkeys(BOTH, "ApplyOverridesFailed")
    (message,) = await world.events(world.name, "ApplyOverridesFailed")
    assert message.startswith("spec.overrides[0].clusterOverrides[0].path: 'data/a' is no JSON pointer")


async def test_what_its_owner_keeps_for_himself_is_not_touched(world: FederatedWorld) -> None:
    own = {"metadata": {"labels": {LABEL_MANAGED: "false"}}, "data": {"a": "mine"}}
    await apply(world.clients[MEMBER], CONFIGMAPS, world.name, world.namespace, **own)
    await world.federate(CONFIGMAP, world.name, template=TEMPLATE, placement=on(*BOTH))
    status = await world.troubled(CONFIGMAP, world.name, MEMBER, "ManagedLabelFalse")
    assert words(status)[HOST] == ""
    assert (await world.member(MEMBER, CONFIGMAP, world.name))["data"] == {"a": "mine"}


async def test_what_members_had_before_is_adopted(world: FederatedWorld) -> None:
    await apply(world.clients[MEMBER], CONFIGMAPS, world.name, world.namespace, data={"a": "mine", "b": "mine"})
    await world.federate(CONFIGMAP, world.name, template=TEMPLATE, placement=on(*BOTH))
    await world.propagated(CONFIGMAP, world.name)
    assert (await world.member(MEMBER, CONFIGMAP, world.name))["data"] == {"a": "1"}


async def test_what_kubefed_left_is_let_go_where_nothing_wants_it(world: FederatedWorld) -> None:
    left = {"metadata": {"labels": {LABEL_MANAGED: "true"}}, "data": {"a": "left"}}
    await apply(world.clients[MEMBER], CONFIGMAPS, world.name, world.namespace, **left)

    async def let_go() -> bool:
        return LABEL_MANAGED not in (await world.clients[MEMBER].get(CONFIGMAPS, world.name, world.namespace)).labels

    await world.eventually(let_go)
    await world.clients[MEMBER].delete(CONFIGMAPS, world.name, world.namespace)


async def test_a_namespace_that_is_not_federated_is_said(world: FederatedWorld) -> None:
    resource = federated_resource(CONFIGMAP)
    await apply(world.host, resource, world.name, "default", spec={"template": TEMPLATE, "placement": on(*BOTH)})

    async def said() -> bool:
        live = await world.host.get(resource, world.name, "default")
        return condition(live.body().get("status") or {}).get("reason") == "NamespaceNotFederated"

    await world.eventually(said)
    await world.host.delete(resource, world.name, "default")


async def test_annotations_of_a_template_are_dropped_unless_they_are_wanted(world: FederatedWorld) -> None:
    template = {"metadata": {"annotations": {"color": "red"}, "labels": {"size": "small"}}, **TEMPLATE}
    await world.federate(CONFIGMAP, world.name, template=template, placement=on(MEMBER))
    await world.propagated(CONFIGMAP, world.name)
    metadata = (await world.member(MEMBER, CONFIGMAP, world.name))["metadata"]
    assert "color" not in (metadata.get("annotations") or {})
    assert metadata["labels"]["size"] == "small"
    assert await world.events(world.name, "AnnotationsNotSupported")
    keep = {"kubefed.atoll.dev/keep-template-metadata": "true"}
    await world.federate(CONFIGMAP, world.name, template=template, placement=on(MEMBER), annotations=keep)

    async def there() -> bool:
        metadata = (await world.member(MEMBER, CONFIGMAP, world.name))["metadata"]
        return (metadata.get("annotations") or {}).get("color") == "red"

    await world.eventually(there)


async def running(world: FederatedWorld, name: str) -> str:
    live = await world.host.get(FEDERATEDTYPECONFIGS, name, CONTROL_PLANE)
    return str((live.body().get("status") or {}).get("propagationController") or "")


async def test_a_type_that_does_not_exist_runs_not_and_stops_no_other(world: FederatedWorld) -> None:
    unknown = TargetType("nowhere.test", "v1", "Ghost", "ghosts")
    await enable(world.host, unknown)

    async def not_running() -> bool:
        return await running(world, unknown.qualified) == "NotRunning"

    await world.eventually(not_running)
    await world.federate(CONFIGMAP, world.name, template=TEMPLATE, placement=on(*BOTH))
    await world.propagated(CONFIGMAP, world.name)
    await world.host.delete(FEDERATEDTYPECONFIGS, unknown.qualified, CONTROL_PLANE)
    await world.gone(world.host, FEDERATEDTYPECONFIGS, unknown.qualified, CONTROL_PLANE)


async def test_a_type_is_disabled_and_enabled_at_run_time(world: FederatedWorld) -> None:
    secret = target("Secret")

    async def becomes(word: str) -> None:
        async def check() -> bool:
            return await running(world, "secrets") == word

        await world.eventually(check)

    await world.federate(secret, world.name, template={"stringData": {"a": "1"}}, placement=on(*BOTH))
    await world.propagated(secret, world.name)
    await world.host.patch(FEDERATEDTYPECONFIGS, "secrets", CONTROL_PLANE, {"spec": {"propagation": "Disabled"}})
    await becomes("NotRunning")
    await world.federate(secret, world.name, template={"data": {"a": "Mg=="}}, placement=on(HOST))
    body = await world.member(MEMBER, secret, world.name)
    assert body["data"] == {"a": "MQ=="}
    await world.host.patch(FEDERATEDTYPECONFIGS, "secrets", CONTROL_PLANE, {"spec": {"propagation": "Enabled"}})
    await becomes("Running")
    await world.propagated(secret, world.name)
    assert (await world.member(HOST, secret, world.name))["data"] == {"a": "Mg=="}
    await eventually(lambda: absent(world, secret), 5)


async def absent(world: FederatedWorld, kind: TargetType) -> bool:
    return not await world.has(MEMBER, kind, world.name)


async def test_a_namespace_is_federated_and_the_hosts_own_is_only_unlabelled(world: FederatedWorld) -> None:
    name = world.name
    await apply(world.host, NAMESPACES, name, "")
    resource = federated_resource(NAMESPACE_TYPE)
    template = {"metadata": {"labels": {"team": "sea"}}}
    spec = {"template": template, "placement": on(*BOTH)}
    await apply(world.host, resource, name, name, spec=spec)

    async def labelled() -> bool:
        both = [(await world.clients[c].get(NAMESPACES, name)).labels.get("team") for c in BOTH]
        return both == ["sea", "sea"]

    await world.eventually(labelled)
    await world.host.delete(resource, name, name)
    await world.gone(world.host, resource, name, name)
    await world.gone(world.clients[MEMBER], NAMESPACES, name, "")
    own = await world.host.get(NAMESPACES, name)
    assert not own.deleting
    assert LABEL_MANAGED not in own.labels
    await world.host.delete(NAMESPACES, name)
