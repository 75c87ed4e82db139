"""How a cluster joins: an account of the hub's own in the member, a bound token in a Secret, then the Cluster object.

The Cluster comes last, so that the hub never sees half of one; whatever fails before it is undone. Joining again under
the same name re-issues in place: new token, same objects.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

import msgspec

from atoll.api.cluster import Taint
from atoll.api.common import DNS_LABEL
from atoll.api.names import API_VERSION, FIELD_MANAGER, SYSTEM_NAMESPACE
from atoll.api.objects import Json
from atoll.fleet import credentials
from atoll.fleet.credentials import ANNOTATION_CLUSTER_UID, LABEL_MANAGED, Token
from atoll.fleet.identity import ensure_namespace, hub_identity
from atoll.fleet.rights import LABEL_INSTALLED_BY, Rights, account_name, cluster_role, dependents, service_account
from atoll.kube.client import Client
from atoll.kube.config import Config
from atoll.kube.errors import Forbidden, Invalid, KindNotServed, KubeError, NotFound, Unauthorized, Unreachable
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import (
    CLUSTERROLES,
    CLUSTERS,
    NAMESPACES,
    ROLEBINDINGS,
    ROLES,
    SECRETS,
    SERVICEACCOUNTS,
)

JOIN_TAKES = 5.0
"""Seconds between Secret and Cluster, at most: two requests."""
VERIFY_FOR = 15.0
"""Seconds that a new account's rights may take to be seen by every API server of the member."""


class JoinError(Exception):
    """The cluster was not joined and nothing is left of the attempt. `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class JoinResult(msgspec.Struct, frozen=True):
    """A joined cluster. `expires`: epoch seconds of its first token; `warnings` are for a person."""

    name: str
    uid: str
    version: str
    expires: float
    reissued: bool = False
    warnings: tuple[str, ...] = ()


class Description(msgspec.Struct, frozen=True):
    """What the user says of the cluster; None and empty leave what an existing Cluster says."""

    provider: str | None = None
    region: str | None = None
    zone: str | None = None
    labels: Mapping[str, str] = {}
    taints: Sequence[Taint] | None = None

    def spec(self) -> Json:
        given = {"provider": self.provider, "region": self.region, "zone": self.zone}
        result: Json = {key: value for key, value in given.items() if value is not None}
        if self.taints is not None:
            result["taints"] = msgspec.to_builtins(tuple(self.taints))
        return result


async def join(
    hub: Client,
    member: Client,
    member_config: Config,
    name: str,
    *,
    provider: str | None = None,
    region: str | None = None,
    zone: str | None = None,
    labels: Mapping[str, str] | None = None,
    taints: Sequence[Taint] | None = None,
    rights: Rights = Rights(),  # noqa: B008  # frozen
) -> JoinResult:
    """Make `member`, reached by `member_config`, Cluster `name` of `hub`.

    Raises JoinError; then nothing is left of the attempt.
    """
    described = Description(provider, region, zone, labels or {}, taints)
    if not DNS_LABEL.fullmatch(name):
        raise JoinError(
            f"{name!r} can't name a cluster",
            "use at most 63 lower-case letters, digits and `-`, beginning and ending with a letter or digit",
        )
    with talking_to("the hub"):
        identity = await hub_identity(hub)
    with talking_to(f"the cluster at {member_config.server}"):
        uid = (await member.get(NAMESPACES, "kube-system")).uid
        version = str((await member.request("GET", "/version")).get("gitVersion", ""))
        await _check_namespaces(member, rights)
    with talking_to("the hub"):
        existing = await _admit(hub, name, uid)
        await _write_cluster(hub, name, described, existing, dry_run=True)
    undo = Undo()
    try:
        with talking_to(f"the cluster at {member_config.server}"):
            await place(member, identity.id, rights, undo)
            token = await credentials.issue(member, identity.id)
            config = credentials.with_token(member_config, token)
            await _verify(config, uid)
        with talking_to("the hub"):
            await _store(hub, name, config, token, uid=uid, rights=rights, undo=undo)
            await _check_only_one(hub, name, uid)
            await _write_cluster(hub, name, described, existing)
    except BaseException:
        await asyncio.shield(undo.run())
        raise
    return JoinResult(
        name, uid, version, token.expires, existing is not None, tuple(_warnings(member_config, hub.config))
    )


class Undo:
    """Deletions of what this attempt made, newest first. Best effort: what can't be undone must not hide the cause."""

    def __init__(self) -> None:
        self._made: list[tuple[Client, Object, Resource]] = []

    def made(self, client: Client, resource: Resource, obj: Object) -> None:
        self._made.append((client, obj, resource))

    async def run(self) -> None:
        for client, obj, resource in reversed(self._made):
            try:
                await client.delete(resource, obj.name, obj.namespace, uid=obj.uid)
            except KubeError:
                continue


async def _admit(hub: Client, name: str, uid: str) -> Object | None:
    """The Cluster called `name` when it is this very cluster. Refuses another one, and this one under another name."""
    clusters = {c.name: c for c in (await hub.list(CLUSTERS)).items}
    managed = (await hub.list(SECRETS, SYSTEM_NAMESPACE, labels=f"{LABEL_MANAGED}=true")).items
    known = {s.name: s.annotations.get(ANNOTATION_CLUSTER_UID, "") for s in managed if s.name in clusters}
    known |= {n: u for n, c in clusters.items() if (u := (c.body().get("status") or {}).get("uid"))}
    for other, other_uid in known.items():
        if other_uid == uid and other != name:
            raise JoinError(
                f"this cluster has joined already, as {other} (the UID of its kube-system namespace is {uid})",
                f"to rename it: atoll cluster leave {other}, then join it as {name}",
            )
    existing = clusters.get(name)
    if existing is None:
        return None
    if existing.deleting:
        raise JoinError(f"cluster {name} is leaving", "wait until `atoll cluster list` no longer shows it")
    if known.get(name, uid) != uid:
        raise JoinError(
            f"{name} is the name of another cluster (UID {known[name]}, this one has {uid})",
            f"join it under another name, or free this one: atoll cluster leave {name}",
        )
    return existing


async def _check_only_one(hub: Client, name: str, uid: str) -> None:
    """Two joins of one cluster at once, under two names: whoever sees the other's Secret gives up, at worst both.

    A Secret that has stood for a while without a Cluster is of one that was deleted while no hub ran: it goes.
    """
    secrets = {s.name: s for s in (await hub.list(SECRETS, SYSTEM_NAMESPACE, labels=f"{LABEL_MANAGED}=true")).items}
    now = credentials.parse_time(secrets[name].created) or 0.0
    for other in secrets.values():
        if other.name == name or other.annotations.get(ANNOTATION_CLUSTER_UID) != uid:
            continue
        if now - (credentials.parse_time(other.created) or now) < JOIN_TAKES:
            raise JoinError(f"this cluster is being joined as {other.name} right now", "join it once")
        await hub.delete(SECRETS, other.name, SYSTEM_NAMESPACE, uid=other.uid)


async def _check_namespaces(member: Client, rights: Rights) -> None:
    for namespace in rights.namespaces:
        try:
            await member.get(NAMESPACES, namespace)
        except NotFound as error:
            raise JoinError(
                f"namespace {namespace} does not exist in the member",
                "create it first: with rights in namespaces only, Atoll may not",
            ) from error


async def place(member: Client, hub: str, rights: Rights, undo: "Undo | None" = None) -> None:
    """The account and its rights. The ClusterRole goes first: it owns the rest, and is the hardest to be let make."""
    role_body = cluster_role(hub, rights)
    account = account_name(hub)
    role_exists = await _exists(member, CLUSTERROLES, account)
    role = await member.apply(CLUSTERROLES, role_body, name=account, manager=FIELD_MANAGER, force=True)
    undo = undo or Undo()
    if not role_exists:
        undo.made(member, CLUSTERROLES, role)
    if await ensure_namespace(member, labels={LABEL_INSTALLED_BY: hub}):
        undo.made(member, NAMESPACES, await member.get(NAMESPACES, SYSTEM_NAMESPACE))
    body = service_account(hub, role.uid)
    await member.apply(
        SERVICEACCOUNTS, body, name=account, namespace=SYSTEM_NAMESPACE, manager=FIELD_MANAGER, force=True
    )
    placed = set()
    for resource, body in dependents(hub, rights, role.uid):
        namespace = body["metadata"].get("namespace", "")
        placed.add((resource, namespace))
        await member.apply(resource, body, name=account, namespace=namespace, manager=FIELD_MANAGER, force=True)
    for resource in (ROLEBINDINGS, ROLES):
        for old in (await member.list(resource, labels=f"{LABEL_INSTALLED_BY}={hub}")).items:
            if (resource, old.namespace) not in placed:  # the rights were wider before
                await member.delete(resource, old.name, old.namespace, uid=old.uid)


async def _exists(client: Client, resource: Resource, name: str, namespace: str = "") -> bool:
    try:
        await client.get(resource, name, namespace)
    except NotFound:
        return False
    return True


async def _verify(config: Config, uid: str) -> None:
    """The new credential reaches the same cluster. Rights take a moment to arrive at every API server."""
    until = time.monotonic() + VERIFY_FOR
    async with Client(config) as client:
        while True:
            try:
                seen = (await client.get(NAMESPACES, "kube-system")).uid
                break
            except (Forbidden, Unauthorized):
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.2)
    if seen != uid:
        raise JoinError(
            f"{config.server} leads to different clusters: UIDs {uid} and {seen}", "name one cluster's server"
        )


async def _store(hub: Client, name: str, config: Config, token: Token, *, uid: str, rights: Rights, undo: Undo) -> None:
    """Create the Secret, or renew one that is ours. A user's own Secret of that name is not overwritten."""
    body = credentials.secret_body(name, config, token, cluster_uid=uid, rights=str(rights))
    try:
        old = await hub.get(SECRETS, name, SYSTEM_NAMESPACE)
    except NotFound:
        undo.made(hub, SECRETS, await hub.create(SECRETS, body))
        return
    if old.labels.get(LABEL_MANAGED) != "true":
        raise JoinError(
            f"Secret {SYSTEM_NAMESPACE}/{name} exists on the hub and was not made by `cluster join`",
            "use another name, or delete that Secret first",
        )
    body["metadata"] |= {"resourceVersion": old.resource_version, "uid": old.uid}
    await hub.replace(SECRETS, body)


async def _write_cluster(
    hub: Client, name: str, described: Description, existing: Object | None, *, dry_run: bool = False
) -> None:
    """The Cluster object. An existing one keeps everything that is not given again."""
    spec = described.spec() | {"connection": {"direct": {"kubeconfigSecret": name}}}
    metadata: Json = {"name": name, "labels": dict(described.labels)}
    if existing is None:
        body = {"apiVersion": API_VERSION, "kind": "Cluster", "metadata": metadata, "spec": spec}
        await hub.create(CLUSTERS, body, dry_run=dry_run)
    else:
        patch = {"metadata": {"labels": dict(described.labels), "uid": existing.uid}, "spec": spec}
        await hub.patch(CLUSTERS, name, "", patch, type="merge", dry_run=dry_run)


def _loopback(config: Config) -> bool:
    host = urlsplit(config.server).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _warnings(config: Config, hub: Config) -> Iterator[str]:
    if _loopback(config) and not _loopback(hub):
        yield f"{config.server} is a loopback address: only a hub on this machine reaches it"
    if config.insecure:
        yield "insecure-skip-tls-verify: the member's certificate is not verified, whoever is between reads the token"


@contextmanager
def talking_to(whom: str) -> Iterator[None]:
    """Turn errors of the Kubernetes API into a JoinError that names which side and what to do."""
    try:
        yield
    except Unauthorized as error:
        raise JoinError(
            f"{whom} refuses the credentials: {error}", "the token or certificate has ended or is not of this cluster"
        ) from error
    except Forbidden as error:
        raise JoinError(
            f"{whom} forbids it: {error}", "joining needs the rights of a cluster administrator on both sides"
        ) from error
    except Unreachable as error:
        hint = (
            "check certificate-authority-data"
            if error.reason.startswith("Certificate")
            else "check the server's address"
        )
        raise JoinError(f"{whom} can't be reached: {error}", hint) from error
    except (NotFound, KindNotServed) as error:
        raise JoinError(
            f"{whom} lacks what Atoll needs: {error}", "on the hub's cluster, `atoll install` brings Atoll's kinds"
        ) from error
    except Invalid as error:
        raise JoinError(f"{whom} refuses it: {error}") from error
    except KubeError as error:
        raise JoinError(f"{whom}: {error}") from error
