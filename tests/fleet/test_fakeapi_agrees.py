"""The fake API server answers as a real one does: the same random writes to both, answer by answer."""

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from atoll.api.objects import Json
from atoll.kube.client import Client
from atoll.kube.errors import ApiError, FieldConflict
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import CONFIGMAPS, DEPLOYMENTS, NAMESPACES
from atoll.testing.fakeapi import FakeApi
from tests.fleet.conftest import Fleet

MANAGERS = ("one", "two", "three")


class Both:
    """A real and a fake server; `namespace` is in both."""

    def __init__(self, real: Client, fake: Client, namespace: str) -> None:
        self.real, self.fake, self.namespace = real, fake, namespace

    async def agree(self, verb: str, *arguments: Any, **options: Any) -> Any:
        """Ask both, and compare what they say. The fake isn't asked what a real server finds invalid."""
        real = await ask(self.real, verb, *arguments, **options)
        if real == ("Invalid", "Invalid"):
            return real
        fake = await ask(self.fake, verb, *arguments, **options)
        assert fake == real, (verb, arguments, options)
        return real


async def ask(client: Client, verb: str, *arguments: Any, **options: Any) -> Any:
    try:
        answer = await getattr(client, verb)(*arguments, **options)
    except FieldConflict as error:
        return "FieldConflict", sorted(error.managers), sorted(error.fields)
    except ApiError as error:
        return type(error).__name__, error.reason
    return None if answer is None else told(answer)


def told(answer: Object) -> Json:
    """What must be the same of an object: not its identity, versions and times, nor what a real server fills in."""
    body = answer.body()
    metadata = body["metadata"]
    owners = {
        f"{entry['manager']} {entry['operation']} {entry.get('subresource', '')}": entry["fieldsV1"]
        for entry in metadata.get("managedFields", ())
        if entry["manager"] in MANAGERS
    }
    return {
        "generation": metadata.get("generation") if answer.kind != "ConfigMap" else None,
        "labels": metadata.get("labels"),
        "finalizers": metadata.get("finalizers"),
        "deleting": answer.deleting,
        "data": body.get("data"),
        "containers": [container_of(c) for c in pod_of(body).get("containers") or ()],
        "owners": owners,
    }


def pod_of(body: Json) -> Json:
    found: Json = body.get("spec", {}).get("template", {}).get("spec", {})
    return found


def container_of(container: Json) -> Json:
    return {
        "name": container["name"],
        "image": container.get("image"),
        "env": container.get("env"),
        "ports": [(p["containerPort"], p.get("protocol", "TCP"), p.get("name")) for p in container.get("ports") or ()],
    }


@pytest.fixture
async def both(fleet: Fleet, namespace: str) -> AsyncIterator[Both]:
    async with fleet.client("hub") as real, FakeApi() as api, Client(api.config) as fake:
        for client in (real, fake):
            await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        yield Both(real, fake, namespace)
        await real.delete(NAMESPACES, namespace)


def config_map(both: Both, chance: random.Random, name: str) -> Json:
    data = {key: chance.choice("12") for key in "xyz" if chance.random() < 0.5}
    labels = {key: chance.choice("12") for key in "pq" if chance.random() < 0.4}
    metadata: Json = {"name": name, "namespace": both.namespace} | ({"labels": labels} if labels else {})
    if chance.random() < 0.1:
        metadata["finalizers"] = ["example.org/held"]
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata} | ({"data": data} if data else {})


@pytest.mark.parametrize("seed", range(6))
async def test_random_writes_of_config_maps(both: Both, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(60):
        name, manager = chance.choice("ab"), chance.choice(MANAGERS)
        body = config_map(both, chance, name)
        match chance.choice(
            ["apply", "apply", "apply", "force", "create", "replace", "merge", "json", "delete", "free"]
        ):
            case "apply" | "force" as how:
                await both.agree(
                    "apply",
                    CONFIGMAPS,
                    body,
                    name=name,
                    namespace=both.namespace,
                    manager=manager,
                    force=how == "force",
                    managed_fields=True,
                )
            case "create":
                await both.agree("create", CONFIGMAPS, body, manager=manager)
            case "replace":
                await both.agree("replace", CONFIGMAPS, body, manager=manager)
            case "merge":
                patch = {"data": {chance.choice("xyz"): chance.choice(["1", "2", None])}}
                await both.agree("patch", CONFIGMAPS, name, both.namespace, patch, manager=manager)
            case "json":
                steps = [{"op": "remove", "path": f"/data/{chance.choice('xyz')}"}]
                await both.agree("patch", CONFIGMAPS, name, both.namespace, steps, type="json", manager=manager)
            case "delete":
                await both.agree("delete", CONFIGMAPS, name, both.namespace)
            case _:
                patch = {"metadata": {"finalizers": None}}
                await both.agree("patch", CONFIGMAPS, name, both.namespace, patch, manager=manager)
        await both.agree("get", CONFIGMAPS, name, both.namespace, managed_fields=True)


def deployment(both: Both, chance: random.Random) -> Json:
    def container(name: str) -> Json:
        made: Json = {"name": name, "image": f"image:{chance.choice('12')}"}
        if chance.random() < 0.5:
            made["env"] = [{"name": key, "value": chance.choice("12")} for key in "EF" if chance.random() < 0.5]
        if chance.random() < 0.5:
            made["ports"] = [{"containerPort": p, "protocol": "TCP"} for p in (80, 81) if chance.random() < 0.5]
        return made

    containers = [container("web")] + [container(name) for name in ("log", "mesh") if chance.random() < 0.4]
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}}
    spec: Json = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    if chance.random() < 0.5:
        spec["replicas"] = chance.choice([2, 3])  # not 1, which a real server fills in
    metadata = {"name": "web", "namespace": both.namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize("seed", range(4))
async def test_random_applies_of_deployments(both: Both, seed: int) -> None:
    """Containers, variables and ports are lists whose items have owners."""
    chance = random.Random(seed)
    for _ in range(40):
        await both.agree(
            "apply",
            DEPLOYMENTS,
            deployment(both, chance),
            name="web",
            namespace=both.namespace,
            manager=chance.choice(MANAGERS),
            force=chance.random() < 0.6,
            managed_fields=True,
        )


async def test_preconditions(both: Both) -> None:
    body: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": both.namespace}}

    async def apply(**options: Any) -> Any:
        return await both.agree("apply", CONFIGMAPS, body, name="a", namespace=both.namespace, manager="one", **options)

    assert (await apply(uid="of-another"))[0] == "Conflict"
    assert (await apply(only_create=True))["deleting"] is False
    assert (await apply(only_create=True))[0] == "AlreadyExists"
    assert (await apply(resource_version="1"))[0] == "Conflict"
    assert (await apply(uid="of-another", force=True))[0] == "Conflict"
    assert (await both.agree("delete", CONFIGMAPS, "a", both.namespace, resource_version="1"))[0] == "Conflict"
    assert (await both.agree("delete", CONFIGMAPS, "a", both.namespace, uid="of-another"))[0] == "Conflict"
    assert await both.agree("delete", CONFIGMAPS, "a", both.namespace) is None
    assert (await both.agree("delete", CONFIGMAPS, "a", both.namespace))[0] == "NotFound"


async def test_what_does_not_exist(both: Both) -> None:
    nothing = Resource("example.org", "v1", "Nothing", "nothings")
    for resource in (CONFIGMAPS, nothing):
        assert (await both.agree("get", resource, "a", both.namespace))[0] == "NotFound"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": f"{both.namespace}-no"}}
    assert (await both.agree("create", CONFIGMAPS, body))[0] == "NotFound"
