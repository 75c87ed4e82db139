"""What a member can't or won't take: its own words in the status, the rest goes on, and so does it once it can."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from atoll.kube.errors import ApiError, KubeError, NotFound
from atoll.kube.objects import Resource
from atoll.kube.resources import CRDS, NAMESPACES
from tests.fleet.hub.world import CONFIGMAPS, DEPLOYMENTS, World, configmap, deployment

Json = dict[str, Any]

POLICIES = Resource(
    "admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", namespaced=False
)
BINDINGS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    namespaced=False,
)
HPAS = Resource("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", namespaced=True)


def definition(group: str) -> Json:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"pears.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": "Pear", "plural": "pears", "singular": "pear", "listKind": "PearList"},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


async def test_a_kind_that_one_member_does_not_serve_waits_there_alone(world: World) -> None:
    group = f"{world.namespace}.example.org"
    crd, pears = definition(group), Resource(group, "v1", "Pear", "pears", namespaced=True)
    pear = {"apiVersion": f"{group}/v1", "kind": "Pear", "metadata": {"name": "one"}, "spec": {"v": 1}}
    *others, third = world.members
    try:
        for member in others:
            await world.clients[member].create(CRDS, crd)
        await world.deploy("app", [pear, configmap("one", v="1")])
        row = await world.row_becomes("app", third, state="Waiting")
        for word in (f"Pear.{group}/one", "KindNotServed", "version v1"):
            assert word in row["message"]
        for member in others:
            await world.row_becomes("app", member, state="Applied", health="Healthy")
            assert await world.find(member, pears, "one")
        assert await world.find(third, CONFIGMAPS, "one"), "the rest goes there as well"
        await world.clients[third].create(CRDS, crd)
        await world.ready("app", 40)
        assert await world.find(third, pears, "one")
    finally:
        await world.delete("app")
        await world.eventually(world.no_applications)
        for member in world.members:
            with contextlib.suppress(NotFound):
                await world.clients[member].delete(CRDS, crd["metadata"]["name"])


async def test_a_kind_that_nobody_knows_waits_and_is_named(world: World) -> None:
    unknown = {"apiVersion": "example.org/v1", "kind": "Nothing", "metadata": {"name": "one"}}
    await world.deploy("app", [unknown, configmap("one", v="1")])
    for member in world.members:
        row = await world.row_becomes("app", member, state="Waiting")
        for word in ("Nothing.example.org/one", "KindNotServed", "version v1"):
            assert word in row["message"]
        assert await world.find(member, CONFIGMAPS, "one")
    ready = await world.condition("app", "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "Waiting")


async def test_an_invalid_manifest_is_told_in_the_members_own_words(world: World) -> None:
    wrong = deployment("web")
    wrong["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    text = json.dumps(
        {
            "apiVersion": "atoll.dev/v1alpha1",
            "kind": "Application",
            "metadata": {"name": "app"},
            "spec": {"placement": {"all": True}, "manifests": [wrong, configmap("one", v="1")]},
        }
    )
    world.atoll("app", "deploy", "-f", "-", text=text)
    for member in world.members:
        row = await world.row_becomes("app", member, state="Failed")
        for word in ("Deployment/web", "Invalid", "spec.template.metadata.labels", "`selector` does not match"):
            assert word in row["message"]
        assert await world.find(member, CONFIGMAPS, "one"), "the rest goes"
        assert await world.find(member, DEPLOYMENTS, "web") is None
    stalled = await world.condition("app", "Stalled")
    assert stalled["status"] == "True"
    assert "`selector` does not match" in world.atoll("app", "status", "app")


async def test_an_object_on_the_hub_that_could_not_be_applied_is_told_before_it_travels(world: World) -> None:
    """An object that was created, not applied, may have a key twice."""
    twice = deployment("web", replicas=1)
    twice["metadata"]["namespace"] = world.namespace
    container = twice["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    await world.hub.create(DEPLOYMENTS, twice)
    select = [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}]
    await world.deploy("app", [configmap("one", v="1")], select=select)

    async def refused() -> Json | None:
        accepted = await world.condition("app", "Accepted")
        return accepted if accepted.get("status") == "False" else None

    message = (await world.eventually(refused))["message"]
    for word in ("spec.select[0].spec.template.spec.containers[0].env[1]", "Deployment/web", "name A", "twice"):
        assert word in message
    assert await world.find(world.members[0], CONFIGMAPS, "one") is None


async def test_list_keys_that_only_the_member_knows_are_told_in_its_words(world: World) -> None:
    first = world.members[0]
    group = f"{world.namespace}.example.org"
    crd = definition(group)
    item = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    keyed = {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"stems": keyed}}},
    }
    stems = [{"name": "a"}, {"name": "a"}]
    pear = {"apiVersion": f"{group}/v1", "kind": "Pear", "metadata": {"name": "one"}, "spec": {"stems": stems}}
    await world.clients[first].create(CRDS, crd)
    try:
        await world.deploy("app", [pear, configmap("one", v="1")], [first])
        row = await world.row_becomes("app", first, state="Failed")
        for word in (f"Pear.{group}/one", "spec.stems", "duplicate", '"a"'):
            assert word in row["message"]
        assert await world.find(first, CONFIGMAPS, "one"), "the rest goes"
    finally:
        await world.delete("app")
        await world.eventually(world.no_applications)
        await world.clients[first].delete(CRDS, crd["metadata"]["name"])


@asynccontextmanager
async def denying(world: World, member: str, message: str) -> AsyncIterator[None]:
    """A policy on the member that denies ConfigMaps called `denied` in the test's namespace."""
    client, name = world.clients[member], world.namespace
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}]
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": POLICIES.kind,
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": rules},
            "matchConditions": [{"name": "ours", "expression": f"object.metadata.namespace == '{name}'"}],
            "validations": [{"expression": "object.metadata.name != 'denied'", "message": message}],
        },
    }
    binding = policy | {
        "kind": BINDINGS.kind,
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    await world.namespace_on(member)
    await client.create(POLICIES, policy)
    await client.create(BINDINGS, binding)
    probe = configmap("denied")
    probe["metadata"]["namespace"] = name

    async def holds() -> bool:
        try:
            await client.create(CONFIGMAPS, probe, dry_run=True)
        except ApiError as error:
            return message in str(error)
        return False

    try:
        await world.eventually(holds, 30)
        yield
    finally:
        await client.delete(BINDINGS, name)
        await client.delete(POLICIES, name)


async def test_an_admission_that_denies_is_quoted_and_the_others_go(world: World) -> None:
    first, *others = world.members
    async with denying(world, first, "ask the platform team first"):
        await world.deploy("app", [configmap("denied", v="1"), configmap("one", v="1")])
        row = await world.row_becomes("app", first, state="Failed")
        for word in ("ConfigMap/denied", "AdmissionDenied", "ask the platform team first"):
            assert word in row["message"]
        for member in others:
            await world.row_becomes("app", member, state="Applied", health="Healthy")
        assert await world.find(first, CONFIGMAPS, "one"), "the rest goes there as well"
        assert await world.find(first, CONFIGMAPS, "denied") is None
    await world.ready("app", 40)
    assert await world.find(first, CONFIGMAPS, "denied")


async def test_a_namespace_is_made_where_it_is_missing_and_again_when_it_was_deleted(world: World) -> None:
    first = world.members[0]
    await world.deploy("app", [configmap("one", v="1")], [first])
    await world.ready("app")
    before = await world.clients[first].get(NAMESPACES, world.namespace)
    await world.clients[first].delete(NAMESPACES, world.namespace)

    async def again() -> bool:
        namespace = await world.clients[first].get(NAMESPACES, world.namespace)
        return namespace.uid != before.uid and await world.find(first, CONFIGMAPS, "one") is not None

    await world.eventually(again, 40)
    await world.ready("app")


async def test_of_two_applications_the_first_has_the_object_and_the_second_is_told(world: World) -> None:
    first, second, _ = world.members
    await world.deploy("one", [configmap("shared", whose="one")], [first])
    await world.ready("one")
    await world.deploy("two", [configmap("shared", whose="two"), configmap("own", v="2")], [first, second])
    row = await world.row_becomes("two", first, state="Conflict")
    for word in ("ConfigMap/shared", f"{world.namespace}/one", "came first"):
        assert word in row["message"]
    shared = await world.find(first, CONFIGMAPS, "shared")
    assert shared is not None
    assert shared["data"] == {"whose": "one"}
    assert await world.find(first, CONFIGMAPS, "own"), "the rest goes"
    await world.row_becomes("two", second, state="Applied", health="Healthy")
    await world.ready("one")
    # `adopt` never takes from another Application
    await world.patch("two", {"adopt": True})
    await world.row_becomes("two", first, state="Conflict")
    assert await world.find(first, CONFIGMAPS, "shared") == shared
    # when the first goes, the second has it
    await world.delete("one")
    await world.ready("two", 40)
    shared = await world.find(first, CONFIGMAPS, "shared")
    assert shared is not None
    assert shared["data"] == {"whose": "two"}


@asynccontextmanager
async def replicas_seen(world: World, member: str) -> AsyncIterator[dict[str, list[int]]]:
    """Every value of each Deployment's spec.replicas from now on, by a watch."""
    client, seen = world.clients[member], dict[str, list[int]]()
    listing = await client.list(DEPLOYMENTS, world.namespace)

    async def watch() -> None:
        async with aclosing(client.watch(DEPLOYMENTS, listing.resource_version, world.namespace)) as events:
            async for event in events:
                if event.type in {"ADDED", "MODIFIED"}:
                    seen.setdefault(event.object.name, []).append(event.object.body()["spec"]["replicas"])

    task = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, KubeError):
            await task


def autoscaler(name: str, least: int) -> Json:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": least,
            "maxReplicas": 20,
        },
    }


async def test_an_autoscaler_that_comes_later_never_makes_replicas_fall(world: World) -> None:
    """Be it the Application's own, or somebody's on the member."""
    first = world.members[0]
    names = ("own", "others")
    await world.deploy("app", [deployment(name, replicas=10) for name in names], [first])
    await world.ready("app", 40)
    own, others = (autoscaler(name, 12) for name in names)
    others["metadata"]["namespace"] = world.namespace
    async with replicas_seen(world, first) as seen:
        await world.clients[first].create(HPAS, others)
        await world.patch("app", {"manifests": [own, *(deployment(name, replicas=10) for name in names)]})

        async def scaled() -> bool:
            return all(12 in seen.get(name, ()) for name in names)

        await world.eventually(scaled, 40)  # the autoscaler's controller looks every 15 s
        # the next delivery leaves them to it
        changed = [deployment(name, image="nginx:1.29", replicas=10) for name in names]
        await world.patch("app", {"manifests": [own, *changed]})
        await world.ready("app", 40)
        for name in names:
            found = await world.find(first, DEPLOYMENTS, name)
            assert found is not None
            assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.29"
            assert seen[name] == sorted(seen[name]), f"replicas of {name} fell: {seen}"
            assert (seen[name][0] >= 10, seen[name][-1]) == (True, 12)
    assert (await world.row("app", first))["state"] == "Applied", "there is no fight"
