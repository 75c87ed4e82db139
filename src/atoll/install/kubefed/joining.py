"""`join`: a cluster becomes a member. An account with its token there, a Secret and a KubeFedCluster here."""

import asyncio
import base64
import time

import msgspec

from atoll.api.kubefed.cluster import KubeFedCluster, KubeFedClusterSpec, SecretReference
from atoll.api.kubefed.common import ObjectMeta
from atoll.api.kubefed.config import KubeFedConfig
from atoll.api.kubefed.names import CONFIG, NAMESPACE, SECRET_TOKEN, Scope, TlsCheck
from atoll.api.kubefed.types import body_of
from atoll.api.objects import Json
from atoll.install.kinds import InstallError
from atoll.install.kubefed import names
from atoll.install.kubefed.served import existing
from atoll.install.kubefed.voice import Voice
from atoll.kube.client import Client
from atoll.kube.errors import AlreadyExists, NotFound
from atoll.kube.kubefed_resources import KUBEFEDCLUSTERS, KUBEFEDCONFIGS
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import (
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    NAMESPACES,
    ROLEBINDINGS,
    ROLES,
    SECRETS,
    SERVICEACCOUNTS,
)

RBAC = "rbac.authorization.k8s.io"
TOKEN_IN = 30.0
"""Seconds that the member has to write a token into the account's Secret."""
LOOK_EVERY = 0.2

EVERYTHING: Json = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
EVERY_PATH: Json = {"nonResourceURLs": ["*"], "verbs": ["get"]}
HEALTH: tuple[Json, ...] = (
    {"nonResourceURLs": ["/healthz"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]},
)


class Joining(msgspec.Struct, frozen=True):
    """What is to join, and as what. `secret` "" is a name that the server makes; `strict`: nothing of it may exist."""

    cluster: str
    host: str
    namespace: str = NAMESPACE
    secret: str = ""
    strict: bool = True
    dry_run: bool = False

    @property
    def account(self) -> str:
        return names.account(self.cluster, self.host)


async def scope_of(host: Client, namespace: str) -> str:
    """Cluster or Namespaced. Raises InstallError when no control plane is configured in `namespace`."""
    try:
        return (await host.get(KUBEFEDCONFIGS, CONFIG, namespace)).read(KubeFedConfig).spec.scope
    except NotFound as error:
        raise InstallError(
            f'there is no KubeFedConfig "{CONFIG}" in namespace "{namespace}"',
            "does the control plane run in another one? --kubefed-namespace says which",
        ) from error


async def join(host: Client, member: Client, wanted: Joining, voice: Voice) -> None:
    """Make `member` a cluster of the control plane on `host`. Raises InstallError, and what the servers say."""
    scope = await scope_of(host, wanted.namespace)
    voice.detail("Performing preflight checks.")
    await _check(member, wanted)
    if wanted.dry_run:
        return
    await _ensure_namespace(member, wanted.namespace)
    voice.detail(f"namespace {wanted.namespace} is there in the joining cluster")
    await _place(member, wanted, scope)
    voice.detail(f"service account {wanted.namespace}/{wanted.account} may work in cluster {wanted.cluster}")
    token, authority = await _token(member, wanted)
    there = await existing(host, KUBEFEDCLUSTERS, wanted.cluster, wanted.namespace)
    if there is not None and wanted.strict:
        raise InstallError(
            f"federated cluster {wanted.cluster} already exists in host cluster",
            "--error-on-existing=false takes what is there",
        )
    if there is not None and not wanted.secret:  # one Secret more at each join would be left behind
        wanted = msgspec.structs.replace(wanted, secret=there.read(KubeFedCluster).spec.secret_ref.name)
    secret = await _store(host, wanted, token)
    voice.detail(f"Created secret in host cluster named: {secret}")
    await _register(host, there, _cluster(member, wanted, secret, authority))
    voice.detail("Created federated cluster resource")


async def _check(member: Client, wanted: Joining) -> None:
    try:
        await member.get(SERVICEACCOUNTS, wanted.account, wanted.namespace)
    except NotFound:
        return
    if wanted.strict:
        raise InstallError(
            f"service account: {wanted.account} already exists in joining cluster: {wanted.cluster}",
            "--error-on-existing=false takes what is there",
        )


async def _ensure_namespace(member: Client, name: str) -> None:
    try:
        await member.get(NAMESPACES, name)
    except NotFound:
        body: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        try:
            await member.create(NAMESPACES, body)
        except AlreadyExists:
            return


async def _place(member: Client, wanted: Joining, scope: str) -> None:
    """The account, the Secret that its token comes into, and its rights."""
    account, namespace = wanted.account, wanted.namespace
    await _create(
        member,
        SERVICEACCOUNTS,
        {
            "metadata": {
                "name": account,
                "namespace": namespace,
                "annotations": {"kubernetes.io/enforce-mountable-secrets": "true"},
            },
            "automountServiceAccountToken": False,
        },
        strict=wanted.strict,
    )
    await _create(
        member,
        SECRETS,
        {
            "metadata": {
                "name": account,
                "namespace": namespace,
                "annotations": {"kubernetes.io/service-account.name": account},
            },
            "type": "kubernetes.io/service-account-token",
        },
        strict=wanted.strict,
    )
    role = names.role(account)
    if scope == Scope.NAMESPACED:
        await _grant(member, wanted, (ROLES, ROLEBINDINGS), role, (EVERYTHING,), namespace)
        health = names.health_role(account, namespace)
        await _grant(member, wanted, (CLUSTERROLES, CLUSTERROLEBINDINGS), health, HEALTH)
    else:
        await _grant(member, wanted, (CLUSTERROLES, CLUSTERROLEBINDINGS), role, (EVERYTHING, EVERY_PATH))


async def _create(client: Client, resource: Resource, body: Json, *, strict: bool) -> None:
    try:
        await client.create(resource, {"apiVersion": resource.api_version, "kind": resource.kind, **body})
    except AlreadyExists:
        if strict:
            raise


async def _grant(
    member: Client,
    wanted: Joining,
    kinds: tuple[Resource, Resource],
    name: str,
    rules: tuple[Json, ...],
    namespace: str = "",
) -> None:
    roles, bindings = kinds
    metadata: Json = {"name": name} | ({"namespace": namespace} if namespace else {})
    role: Json = {"apiVersion": f"{RBAC}/v1", "kind": roles.kind, "metadata": metadata, "rules": list(rules)}
    await _put(member, wanted, roles, role)
    binding: Json = {
        "apiVersion": f"{RBAC}/v1",
        "kind": bindings.kind,
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": roles.kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": wanted.account, "namespace": wanted.namespace}],
    }
    await _put(member, wanted, bindings, binding)


async def _put(member: Client, wanted: Joining, resource: Resource, body: Json) -> None:
    """Create it, or bring what is there in line. A binding to another role is made anew: roleRef never changes."""
    metadata = body["metadata"]
    name, namespace = metadata["name"], metadata.get("namespace", "")
    try:
        live = (await member.get(resource, name, namespace)).body()
    except NotFound:
        await member.create(resource, body)
        return
    if wanted.strict:
        raise InstallError(
            f"{resource.kind} {name} already exists in joining cluster: {wanted.cluster}",
            "--error-on-existing=false takes what is there",
        )
    if live.get("roleRef") != body.get("roleRef"):
        await member.delete(resource, name, namespace)
        await member.create(resource, body)
        return
    await member.replace(resource, {**body, "metadata": live["metadata"]})


async def _token(member: Client, wanted: Joining) -> tuple[str, str]:
    """The account's token and its API server's authority, both in base64."""
    give_up_at = time.monotonic() + TOKEN_IN
    while True:
        data = (await member.get(SECRETS, wanted.account, wanted.namespace)).body().get("data") or {}
        if data.get(SECRET_TOKEN):
            return str(data[SECRET_TOKEN]), str(data.get("ca.crt") or "")
        if time.monotonic() > give_up_at:
            raise InstallError(
                f"cluster {wanted.cluster} wrote no token into Secret {wanted.namespace}/{wanted.account} "
                f"within {TOKEN_IN:.0f} s",
                "does its controller manager run?",
            )
        await asyncio.sleep(LOOK_EVERY)


async def _store(host: Client, wanted: Joining, token: str) -> str:
    """The Secret beside the KubeFedCluster; returns its name."""
    name: Json = {"name": wanted.secret} if wanted.secret else {"generateName": f"{wanted.cluster}-"}
    body: Json = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {**name, "namespace": wanted.namespace},
        "data": {SECRET_TOKEN: token},
    }
    there = await existing(host, SECRETS, wanted.secret, wanted.namespace) if wanted.secret else None
    if there is None:
        return (await host.create(SECRETS, body)).name
    if wanted.strict:
        raise InstallError(f"host cluster secret {wanted.secret} already exists", "--error-on-existing=false takes it")
    await host.patch(SECRETS, wanted.secret, wanted.namespace, {"data": {SECRET_TOKEN: token}})
    return wanted.secret


def _cluster(member: Client, wanted: Joining, secret: str, authority: str) -> KubeFedCluster:
    config = member.config
    return KubeFedCluster(
        metadata=ObjectMeta(name=wanted.cluster, namespace=wanted.namespace),
        spec=KubeFedClusterSpec(
            api_endpoint=config.server,
            secret_ref=SecretReference(secret),
            ca_bundle=base64.b64encode(config.ca).decode() if config.ca else authority,
            disabled_tls_validations=(TlsCheck.ALL.value,) if config.insecure else (),
            proxy_url=config.proxy_url,
        ),
    )


async def _register(host: Client, there: Object | None, cluster: KubeFedCluster) -> None:
    body = body_of(cluster)
    if there is None:
        await host.create(KUBEFEDCLUSTERS, body)
    else:
        await host.replace(KUBEFEDCLUSTERS, {**there.body(), "spec": body["spec"]})
