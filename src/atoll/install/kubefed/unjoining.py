"""`unjoin`: a cluster is a member no more. What the join made goes; what was propagated stays where it is.

KubeFed deletes its namespace in the member with everything that others keep there (kubefed#1258). Here it goes only
when nothing of others is in it.
"""

from collections import Counter
from collections.abc import AsyncIterator

import msgspec

from atoll.api.kubefed.cluster import KubeFedCluster
from atoll.api.kubefed.names import LABEL_MANAGED, MANAGED, NAMESPACE
from atoll.api.kubefed.typeconfig import FederatedTypeConfig
from atoll.api.names import applyset_parent
from atoll.fleet.identity import NoHubError, hub_identity
from atoll.install.kinds import InstallError
from atoll.install.kubefed import names
from atoll.install.kubefed.served import existing, served_types
from atoll.install.kubefed.voice import Voice
from atoll.kube.client import Client
from atoll.kube.errors import KubeError, NotFound
from atoll.kube.kubefed_resources import FEDERATEDTYPECONFIGS, KUBEFEDCLUSTERS, resource_of
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

SHOWN = 5
"""How many objects are named of those that keep a namespace."""
TOKENS = "kubernetes.io/service-account-token"


class Unjoining(msgspec.Struct, frozen=True):
    """What is to leave. `force`: the host forgets it even when the member can't be cleaned."""

    cluster: str
    host: str
    namespace: str = NAMESPACE
    force: bool = False
    dry_run: bool = False

    @property
    def account(self) -> str:
        return names.account(self.cluster, self.host)


async def unjoin(host: Client, member: Client | None, wanted: Unjoining, voice: Voice) -> None:
    """End what `join` began. `member` is None where it can't be reached, which needs `force`."""
    if wanted.dry_run:
        return
    if member is not None:
        try:
            await _clean(host, member, wanted, voice)
        except KubeError as error:
            if not wanted.force:
                raise
            voice.warn(f"cluster {wanted.cluster} is not cleaned: {error}")
    await _forget(host, wanted, voice)


async def _clean(host: Client, member: Client, wanted: Unjoining, voice: Voice) -> None:
    await _withdraw(member, wanted, voice)
    await _say_what_stays(host, member, wanted, voice)
    theirs = await existing(member, NAMESPACES, wanted.namespace)
    ours = await host.get(NAMESPACES, wanted.namespace)
    if theirs is None:
        voice.detail(f"namespace {wanted.namespace} is gone from cluster {wanted.cluster} already")
    elif theirs.uid == ours.uid:
        voice.detail(f"namespace {wanted.namespace} stays: cluster {wanted.cluster} is the host")
    else:
        await _delete_namespace(member, wanted, theirs, await _record(host), voice)


async def _record(host: Client) -> str:
    """The hub's own ConfigMap, which is in this namespace where its account had rights in no other."""
    try:
        return applyset_parent((await hub_identity(host, create=False)).id)
    except NoHubError:
        return ""


async def _withdraw(member: Client, wanted: Unjoining, voice: Voice) -> None:
    """The rights first, so that a token that somebody copied is worth nothing from then on."""
    account, namespace = wanted.account, wanted.namespace
    role, health = names.role(account), names.health_role(account, namespace)
    doomed = [
        *((kind, name, "") for name in (role, health) for kind in (CLUSTERROLEBINDINGS, CLUSTERROLES)),
        (ROLEBINDINGS, role, namespace),
        (ROLES, role, namespace),
        (SERVICEACCOUNTS, account, namespace),
    ]
    for resource, name, where in doomed:
        await _delete(member, resource, name, where, voice)
    token = await existing(member, SECRETS, account, namespace)
    if token is not None and token.body().get("type") == TOKENS:  # it would go by itself, a little later
        await _delete(member, SECRETS, account, namespace, voice)


async def _delete(client: Client, resource: Resource, name: str, namespace: str, voice: Voice) -> None:
    try:
        await client.delete(resource, name, namespace)
    except NotFound:
        voice.detail(f"{resource.kind} {name} does not exist")
        return
    voice.detail(f"Deleted {resource.kind} {name}")


async def _delete_namespace(member: Client, wanted: Unjoining, live: Object, record: str, voice: Voice) -> None:
    silent: set[str] = set()
    found = _of_others(member, wanted.namespace, silent)
    others = [name async for name in found if name != f"ConfigMap {record}"]
    if silent:
        others.append("something of " + ", ".join(sorted(silent)) + ", whose own server does not answer")
    if others:
        more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
        voice.info(
            f"namespace {wanted.namespace} stays in cluster {wanted.cluster}: it holds "
            f"{', '.join(others[:SHOWN])}{more}"
        )
        return
    await member.delete(NAMESPACES, live.name, uid=live.uid)
    voice.detail(f"Deleted namespace {wanted.namespace} from cluster {wanted.cluster}")


async def _of_others(member: Client, namespace: str, silent: set[str]) -> AsyncIterator[str]:
    """What is in the namespace beside what every namespace has, and Events."""
    for served in await served_types(member, silent):
        if not (served.preferred and served.namespaced and "list" in served.verbs) or served.plural == "events":
            continue
        resource = Resource(served.group, served.version, served.kind, served.plural, verbs=served.verbs)
        for live in (await member.list(resource, namespace)).items:
            if not _everywhere(live):
                yield f"{live.kind} {live.name}"


def _everywhere(live: Object) -> bool:
    """Whether Kubernetes puts it into every namespace."""
    match live.kind:
        case "ConfigMap":
            return live.name == "kube-root-ca.crt"
        case "ServiceAccount":
            return live.name == "default"
        case "Secret":
            account = live.annotations.get("kubernetes.io/service-account.name")
            return account == "default" and live.body().get("type") == TOKENS
        case _:
            return False


async def _say_what_stays(host: Client, member: Client, wanted: Unjoining, voice: Voice) -> None:
    counts: Counter[str] = Counter()
    for live in (await host.list(FEDERATEDTYPECONFIGS, wanted.namespace)).items:
        target = live.read(FederatedTypeConfig).spec.target_type
        try:
            found = await member.list(
                resource_of(target, namespaced=target.namespaced), labels=f"{LABEL_MANAGED}={MANAGED}"
            )
        except NotFound:
            continue
        counts[target.kind] += len(found.items)
    if total := counts.total():
        listed = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()) if count)
        voice.info(
            f"{total} propagated objects stay in cluster {wanted.cluster}, labelled {LABEL_MANAGED}={MANAGED}: {listed}"
        )


async def _forget(host: Client, wanted: Unjoining, voice: Voice) -> None:
    try:
        live = await host.get(KUBEFEDCLUSTERS, wanted.cluster, wanted.namespace)
    except NotFound as error:
        raise InstallError(f'there is no KubeFedCluster "{wanted.namespace}/{wanted.cluster}"') from error
    secret = live.read(KubeFedCluster).spec.secret_ref.name
    for resource, name in ((SECRETS, secret), (KUBEFEDCLUSTERS, wanted.cluster)):
        try:
            await _delete(host, resource, name, wanted.namespace, voice)
        except KubeError as error:
            if not wanted.force:
                raise
            voice.warn(f"{resource.kind} {name} is not deleted: {error}")
