"""Clusters whose credentials or identity are wrong, made by plain `kubectl apply` of a Secret and a Cluster.

Each says what is wrong, where, and what to do; nothing is done to any member, and the others never notice.
"""

import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import jwt
import msgspec
import pytest

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.fleet.rights import account_name
from atoll.kube.config import Config, load_kubeconfig
from atoll.kube.errors import NotFound
from atoll.kube.resources import CLUSTERROLES, CLUSTERS, SECRETS
from tests.fleet.hub.world import CONFIGMAPS, World, condition_of, configmap

Json = dict[str, Any]


class Newcomer:
    """A Secret and a Cluster of the test's own."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.name = world.namespace

    def apply(self, kubeconfig: bytes | str, *, key: str = "kubeconfig") -> None:
        data = kubeconfig.encode() if isinstance(kubeconfig, str) else kubeconfig
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": self.name, "namespace": SYSTEM_NAMESPACE},
            "data": {key: base64.b64encode(data).decode()},
        }
        cluster = {
            "apiVersion": "atoll.dev/v1alpha1",
            "kind": "Cluster",
            "metadata": {"name": self.name},
            "spec": {"connection": {"direct": {"kubeconfigSecret": self.name}}},
        }
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [secret, cluster]})
        self.world.kubectl("hub", "apply", "-f", "-", text=text, namespace="")

    async def status(self) -> Json:
        return (await self.world.hub.get(CLUSTERS, self.name)).body().get("status") or {}

    async def unready(self, reason: str, kind: str = "Ready", seconds: float = 20) -> str:
        """Wait until the condition is false for this reason; its message."""
        said: Json = {}

        async def check() -> bool:
            nonlocal said
            said = condition_of(await self.status(), kind)
            return said.get("status") == "False" and said.get("reason") == reason

        with contextlib.suppress(AssertionError):
            await self.world.eventually(check, seconds)
        assert (said.get("status"), said.get("reason")) == ("False", reason), said
        return str(said["message"])

    async def ready(self) -> None:
        async def check() -> bool:
            return condition_of(await self.status(), "Ready").get("status") == "True"

        await self.world.eventually(check, 20)

    async def gone(self, *, secret_first: bool = False) -> None:
        """Delete both, and wait for the Cluster to go."""
        both = ((CLUSTERS, ""), (SECRETS, SYSTEM_NAMESPACE))
        for resource, namespace in reversed(both) if secret_first else both:
            with contextlib.suppress(NotFound):
                await self.world.hub.delete(resource, self.name, namespace)

        async def check() -> bool:
            return self.name not in {c.name for c in (await self.world.hub.list(CLUSTERS)).items}

        await self.world.eventually(check, 20)


@pytest.fixture
async def newcomer(world: World) -> AsyncIterator[Newcomer]:
    cluster = Newcomer(world)
    try:
        yield cluster
    finally:
        await cluster.gone()


def admin(world: World, context: str) -> Config:
    return load_kubeconfig(world.fleet.kubeconfig, context)


def with_user(world: World, user: Json) -> str:
    """A kubeconfig of the first member with these credentials, as JSON (which is YAML)."""
    config = admin(world, world.members[0])
    cluster = {"server": config.server, "certificate-authority-data": base64.b64encode(config.ca).decode()}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    )


EXEC = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/true", "interactiveMode": "Never"}}

PEM = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n").decode()

UNUSABLE: dict[str, tuple[Callable[[World], str], tuple[str, ...]]] = {
    "no YAML": (lambda _: "apiVersion: [v1", ("not YAML", "line ")),
    "no kubeconfig": (lambda _: "hello: world", ("context",)),
    "no such context": (
        lambda w: with_user(w, {"token": "t"}).replace('"current-context": "x"', '"current-context": "y"'),
        ("current-context 'y' does not exist", "the contexts are: x"),
    ),
    "exec": (lambda w: with_user(w, EXEC), ("users[u].user.exec", "would run a program", "use a token")),
    "auth provider": (lambda w: with_user(w, {"auth-provider": {"name": "gcp"}}), ("auth-provider", "not supported")),
    "token file": (lambda w: with_user(w, {"tokenFile": "/etc/shadow"}), ("tokenFile", "use token")),
    "certificate file": (
        lambda w: with_user(w, {"client-certificate": "/etc/shadow", "client-key": "/etc/shadow"}),
        ("client-certificate", "use client-certificate-data"),
    ),
    "bad base64": (
        lambda w: with_user(w, {"client-certificate-data": "!", "client-key-data": "!"}),
        ("client-certificate-data", "is not base64"),
    ),
    "no certificate": (
        lambda w: with_user(w, {"client-certificate-data": PEM, "client-key-data": PEM}),
        ("client-certificate and client-key are not a matching pair",),
    ),
}


@pytest.mark.parametrize("case", UNUSABLE)
async def test_a_kubeconfig_that_cannot_be_used(world: World, newcomer: Newcomer, case: str) -> None:
    kubeconfig, words = UNUSABLE[case]
    newcomer.apply(kubeconfig(world))
    message = await newcomer.unready("CredentialsUnusable")
    assert f"Secret {SYSTEM_NAMESPACE}/{newcomer.name}" in message
    for word in words:
        assert word in message
    assert "/etc/shadow" not in message
    assert (await newcomer.status()).get("uid", "") == ""


async def test_a_secret_without_kubeconfig_and_none_at_all(world: World, newcomer: Newcomer) -> None:
    newcomer.apply("x", key="config")
    assert "has no key `kubeconfig`" in await newcomer.unready("CredentialsUnusable")
    await world.hub.delete(SECRETS, newcomer.name, SYSTEM_NAMESPACE)

    async def missing() -> bool:
        return f"Secret {SYSTEM_NAMESPACE}/{newcomer.name} does not exist" in await newcomer.unready(
            "CredentialsUnusable"
        )

    await world.eventually(missing)


async def test_an_expired_token_is_refused_by_the_member(world: World, newcomer: Newcomer) -> None:
    config = admin(world, world.members[0])
    now = int(time.time())
    claims = {
        "iss": "https://kubernetes.default.svc.cluster.local",
        "aud": ["https://kubernetes.default.svc.cluster.local"],
        "sub": "system:serviceaccount:kube-system:default",
        "iat": now - 7200,
        "nbf": now - 7200,
        "exp": now - 3600,
    }
    key = world.fleet.local.folder / world.members[0] / "pki" / "service-accounts.key"
    token = jwt.encode(claims, key.read_text(), algorithm="ES256")
    bare = msgspec.structs.replace(config, client_certificate=b"", client_key=b"", token=token)
    newcomer.apply(bare.to_kubeconfig())
    message = await newcomer.unready("Unauthorized")
    assert "expired" in message or "Unauthorized" in message
    expiring = condition_of(await newcomer.status(), "CredentialExpiring")
    assert expiring["status"] == "True"
    assert "ended at" in expiring["message"]


async def test_a_wrong_certificate_authority(world: World, newcomer: Newcomer) -> None:
    right, wrong = admin(world, world.members[0]), admin(world, world.members[1])
    newcomer.apply(msgspec.structs.replace(right, ca=wrong.ca).to_kubeconfig())
    message = await newcomer.unready("CertificateUntrusted")
    assert right.server.removeprefix("https://") in message
    assert "certificate-authority-data" in message
    assert condition_of(await newcomer.status(), "Reachable")["status"] == "False"
    # put right, it goes on by itself; nothing else has to be done. It is in the fleet already, though.
    newcomer.apply(right.to_kubeconfig())
    await newcomer.unready("SameClusterTwice")


async def test_a_server_that_nobody_is_at(world: World, newcomer: Newcomer) -> None:
    config = msgspec.structs.replace(admin(world, world.members[0]), server="https://127.0.0.1:1")
    newcomer.apply(config.to_kubeconfig())
    assert "127.0.0.1:1 refused" in await newcomer.unready("Refused")


async def test_the_same_cluster_under_a_second_name_is_refused_and_lets_go(world: World, newcomer: Newcomer) -> None:
    first = world.members[0]
    await world.deploy("app", [configmap("one", v="1")], placement={"all": True})
    await world.ready("app")
    before, accounts = await world.find(first, CONFIGMAPS, "one"), await accounts_on(world, first)
    newcomer.apply(admin(world, first).to_kubeconfig())
    message = await newcomer.unready("SameClusterTwice")
    assert f"already as {first}" in message
    status = await world.ready("app")
    assert newcomer.name not in {row["name"] for row in status["clusters"]}
    await newcomer.gone()  # nothing on the member goes with it
    assert await accounts_on(world, first) == accounts
    assert await world.find(first, CONFIGMAPS, "one") == before


async def test_another_cluster_under_an_old_name_is_refused(world: World, newcomer: Newcomer) -> None:
    newcomer.apply(admin(world, "hub").to_kubeconfig())
    await newcomer.ready()
    uid = (await newcomer.status())["uid"]
    newcomer.apply(admin(world, world.members[0]).to_kubeconfig())
    message = await newcomer.unready("IdentityChanged")
    assert "another cluster" in message
    assert uid in message
    assert f"atoll cluster leave {newcomer.name}" in message
    newcomer.apply(admin(world, "hub").to_kubeconfig())
    await newcomer.ready()
    assert (await newcomer.status())["uid"] == uid


@pytest.mark.parametrize("secret_first", [False, True])
async def test_a_cluster_goes_with_its_secret(world: World, newcomer: Newcomer, secret_first: bool) -> None:
    newcomer.apply(admin(world, "hub").to_kubeconfig())
    await newcomer.ready()
    await newcomer.gone(secret_first=secret_first)


async def accounts_on(world: World, member: str) -> list[str]:
    """What rights the hub was given there: none where an agent of the member's own does the work."""
    data = (await world.hub.get(CONFIGMAPS, "hub", SYSTEM_NAMESPACE)).body()["data"]
    mine = account_name(data["id"])
    return [role.name for role in (await world.clients[member].list(CLUSTERROLES)).items if role.name == mine]
