"""How clusters come and go, on real API servers."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress

import msgspec
import pytest

from atoll.api.crds import crds
from atoll.api.names import SYSTEM_NAMESPACE, applyset_parent
from atoll.fleet import credentials
from atoll.fleet.connect import connect, read_secret
from atoll.fleet.identity import hub_identity
from atoll.fleet.join import JoinError, join
from atoll.fleet.leave import CLUSTER_FINALIZER, LeaveTimeoutError, clean_member, leave, leftovers
from atoll.fleet.rights import LABEL_INSTALLED_BY, Rights, account_name
from atoll.kube.client import Client
from atoll.kube.config import Config, load_kubeconfig
from atoll.kube.errors import Conflict, Forbidden, KubeError, NotFound, Unauthorized
from atoll.kube.resources import (
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    CLUSTERS,
    CONFIGMAPS,
    CRDS,
    NAMESPACES,
    PODS,
    ROLES,
    SECRETS,
    SERVICEACCOUNTS,
)
from atoll.testing.binaries import Binaries
from atoll.testing.localfleet import FleetShape, LocalFleet


class World:
    """A hub and two clusters that could join it."""

    def __init__(self, hub: Client, one: Client, two: Client) -> None:
        self.hub = hub
        self.one = one
        self.two = two
        self.names: list[str] = []

    def name(self) -> str:
        self.names.append(f"c-{secrets.token_hex(4)}")
        return self.names[-1]


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalFleet]:
    """A fleet of its own: here `atoll-system` comes and goes, which no hub of other tests would survive."""
    local = LocalFleet(tmp_path_factory.mktemp("apart"), Binaries().find)
    try:
        local.up(FleetShape(members=2, nodes=1))
        yield local
    finally:
        local.down(purge=True)


@pytest.fixture(scope="module")
async def clients(apart: LocalFleet) -> AsyncIterator[tuple[Client, Client, Client]]:
    async with AsyncExitStack() as stack:
        hub, one, two = [
            await stack.enter_async_context(Client(load_kubeconfig(apart.kubeconfig, name))) for name in apart.contexts
        ]
        for crd in crds():
            await hub.apply(CRDS, crd, name=crd["metadata"]["name"], manager="test", force=True)
        await eventually(lambda: hub.list(CLUSTERS))
        yield hub, one, two


@pytest.fixture
async def world(clients: tuple[Client, Client, Client]) -> AsyncIterator[World]:
    hub, one, two = clients
    yield World(hub, one, two)
    identity = await hub_identity(hub)
    for cluster in (await hub.list(CLUSTERS)).items:
        await leave(hub, cluster.name, "force", timeout=0)
    for member in (one, two):  # the namespace takes seconds to go, and stays for the next test
        with suppress(NotFound):
            await member.delete(CLUSTERROLES, account_name(identity.id))
    await hub.delete(CONFIGMAPS, "hub", SYSTEM_NAMESPACE)
    assert not (await hub.list(SECRETS, SYSTEM_NAMESPACE)).items


async def eventually(question: Callable[[], Awaitable[object]], patience: float = 15.0) -> None:
    """Until `question` raises no KubeError and is not False."""
    until = time.monotonic() + patience
    while True:
        try:
            if await question() is not False:
                return
        except KubeError:
            if time.monotonic() > until:
                raise
        assert time.monotonic() < until, "it did not become so"
        await asyncio.sleep(0.1)


async def without_namespace(client: Client) -> None:
    """`atoll-system` is not there."""
    with suppress(NotFound):
        await client.delete(NAMESPACES, SYSTEM_NAMESPACE)
    await eventually(lambda: gone(client, NAMESPACES, SYSTEM_NAMESPACE))


async def gone(client: Client, resource: object, name: str, namespace: str = "") -> bool:
    try:
        await client.get(resource, name, namespace)  # type: ignore[arg-type]
    except NotFound:
        return True
    return False


async def test_a_joined_cluster_is_reached_by_an_account_of_the_hubs_own(world: World) -> None:
    name = world.name()

    result = await join(
        world.hub, world.one, world.one.config, name, provider="aws", region="eu", labels={"env": "prod"}
    )

    identity = await hub_identity(world.hub)
    cluster = (await world.hub.get(CLUSTERS, name)).body()
    assert cluster["metadata"]["labels"] == {"env": "prod"}
    assert cluster["spec"] == {"connection": {"direct": {"kubeconfigSecret": name}}, "provider": "aws", "region": "eu"}
    assert 6 * 86400 < result.expires - time.time() <= credentials.LIFETIME + 60
    assert result.uid == (await world.one.get(NAMESPACES, "kube-system")).uid
    async with await connect(world.hub, name) as member:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = await member.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=review)
        user = answer["status"]["userInfo"]["username"]
        assert user == f"system:serviceaccount:{SYSTEM_NAMESPACE}:{account_name(identity.id)}"
        await member.list(SECRETS)


async def test_the_same_cluster_under_a_second_name_is_refused_and_named(world: World) -> None:
    first, second = world.name(), world.name()
    await join(world.hub, world.one, world.one.config, first)

    with pytest.raises(JoinError, match=f"joined already, as {first}"):
        await join(world.hub, world.one, world.one.config, second)

    assert await gone(world.hub, CLUSTERS, second)
    assert await gone(world.hub, SECRETS, second, SYSTEM_NAMESPACE)


async def test_another_cluster_under_an_old_name_is_refused_and_named(world: World) -> None:
    name = world.name()
    result = await join(world.hub, world.one, world.one.config, name)

    with pytest.raises(JoinError, match=rf"{name} is the name of another cluster \(UID {result.uid}"):
        await join(world.hub, world.two, world.two.config, name)

    assert await gone(world.two, CLUSTERROLES, account_name((await hub_identity(world.hub)).id))


async def test_joining_again_renews_the_credentials_in_place_and_keeps_what_was_said(world: World) -> None:
    name = world.name()
    await join(world.hub, world.one, world.one.config, name, provider="aws", labels={"env": "prod"})
    cluster, secret = await world.hub.get(CLUSTERS, name), await world.hub.get(SECRETS, name, SYSTEM_NAMESPACE)
    await asyncio.sleep(1.1)  # tokens of one second can be the same

    result = await join(world.hub, world.one, world.one.config, name, labels={"tier": "1"})

    again = await world.hub.get(CLUSTERS, name)
    assert result.reissued
    assert again.uid == cluster.uid
    assert again.labels == {"env": "prod", "tier": "1"}
    assert again.body()["spec"]["provider"] == "aws"
    renewed = await world.hub.get(SECRETS, name, SYSTEM_NAMESPACE)
    assert renewed.uid == secret.uid
    assert read_secret(renewed)[0].token != read_secret(secret)[0].token


async def test_rights_in_namespaces_reach_no_further(world: World, namespace: str) -> None:
    name = world.name()
    await without_namespace(world.one)
    await world.one.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})

    await join(world.hub, world.one, world.one.config, name, rights=Rights((namespace,)))

    identity = await hub_identity(world.hub)
    config_map = {"metadata": {"name": "mine", "namespace": namespace}, "apiVersion": "v1", "kind": "ConfigMap"}
    parent = {
        "metadata": {"name": applyset_parent(identity.id), "namespace": SYSTEM_NAMESPACE},
        "apiVersion": "v1",
        "kind": "ConfigMap",
    }
    async with await connect(world.hub, name) as member:
        await eventually(lambda: member.create(CONFIGMAPS, config_map))
        await member.apply(
            CONFIGMAPS, parent, name=applyset_parent(identity.id), namespace=SYSTEM_NAMESPACE, manager="atoll"
        )
        await credentials.issue(member, identity.id)
        for denied in ("default", "kube-system"):
            with pytest.raises(Forbidden):
                await member.list(PODS, denied)
        with pytest.raises(Forbidden):
            await member.list(SECRETS, SYSTEM_NAMESPACE)
        stays = await clean_member(member, identity.id)
        assert "could not be seen" in stays[0]
    await eventually(lambda: gone(world.one, ROLES, account_name(identity.id), namespace))
    await eventually(lambda: gone(world.one, SERVICEACCOUNTS, account_name(identity.id), SYSTEM_NAMESPACE))
    await world.one.delete(NAMESPACES, namespace)


async def test_narrower_rights_take_the_wider_ones_away(world: World, namespace: str) -> None:
    name, other = world.name(), f"{namespace}-2"
    for each in (namespace, other):
        await world.one.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": each}})
    await join(world.hub, world.one, world.one.config, name, rights=Rights((namespace, other)))

    await join(world.hub, world.one, world.one.config, name, rights=Rights((namespace,)))

    account = account_name((await hub_identity(world.hub)).id)
    assert await gone(world.one, ROLES, account, other)
    assert not await gone(world.one, ROLES, account, namespace)
    for each in (namespace, other):
        await world.one.delete(NAMESPACES, each)


async def test_rights_in_a_namespace_that_is_missing_are_refused(world: World) -> None:
    with pytest.raises(JoinError, match="namespace nowhere-at-all does not exist"):
        await join(world.hub, world.one, world.one.config, world.name(), rights=Rights(("nowhere-at-all",)))


async def test_the_account_removes_itself_and_the_namespace_that_the_hub_made(world: World) -> None:
    name = world.name()
    await without_namespace(world.one)
    await join(world.hub, world.one, world.one.config, name)
    identity = await hub_identity(world.hub)
    account = account_name(identity.id)

    async with await connect(world.hub, name) as member:
        assert await clean_member(member, identity.id) == ()

    await eventually(lambda: gone(world.one, CLUSTERROLES, account))
    await eventually(lambda: gone(world.one, CLUSTERROLEBINDINGS, account))
    await eventually(lambda: gone(world.one, NAMESPACES, SYSTEM_NAMESPACE))
    assert await clean_member(world.one, identity.id) == ()


async def test_a_namespace_that_somebody_uses_stays(world: World) -> None:
    name = world.name()
    await without_namespace(world.one)  # so that it is the hub's own
    await join(world.hub, world.one, world.one.config, name)
    identity = await hub_identity(world.hub)
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": SYSTEM_NAMESPACE}}
    await world.one.create(CONFIGMAPS, theirs)

    async with await connect(world.hub, name) as member:
        stays = await clean_member(member, identity.id)

    assert stays == (f"namespace {SYSTEM_NAMESPACE}: it holds ConfigMap/theirs",)
    await eventually(lambda: gone(world.one, SERVICEACCOUNTS, account_name(identity.id), SYSTEM_NAMESPACE))
    assert not await gone(world.one, CONFIGMAPS, "theirs", SYSTEM_NAMESPACE)
    await world.one.delete(CONFIGMAPS, "theirs", SYSTEM_NAMESPACE)


async def test_a_user_who_may_not_grant_rights_is_told_and_nothing_is_left(world: World, namespace: str) -> None:
    await world.one.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    meta = {"name": "small", "namespace": namespace}
    await world.one.create(SERVICEACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    view = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", **meta}],
    }
    await world.one.create(CLUSTERROLEBINDINGS, view)
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/small/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = (await world.one.request("POST", path, body=body))["status"]["token"]
    small = Config(server=world.one.config.server, ca=world.one.config.ca, token=token)
    name = world.name()

    async with Client(small) as member:
        await eventually(lambda: member.get(NAMESPACES, "kube-system"))
        with pytest.raises(JoinError, match="forbids it") as caught:
            await join(world.hub, member, small, name)

    assert "administrator" in caught.value.hint
    assert await gone(world.one, CLUSTERROLES, account_name((await hub_identity(world.hub)).id))
    assert await gone(world.hub, CLUSTERS, name)
    await world.one.delete(CLUSTERROLEBINDINGS, namespace)
    await world.one.delete(NAMESPACES, namespace)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"client_certificate": b"", "client_key": b"", "token": "no.such.token"}, "refuses the credentials"),
        ({"server": "https://127.0.0.1:1"}, "can't be reached"),
    ],
)
async def test_a_member_that_does_not_answer_us_is_named_with_the_reason(
    world: World, change: dict[str, object], message: str
) -> None:
    config = msgspec.structs.replace(world.one.config, **change)
    async with Client(config) as member:
        with pytest.raises(JoinError, match=message):
            await join(world.hub, member, config, world.name())


async def test_a_wrong_certificate_authority_is_named(world: World) -> None:
    config = msgspec.structs.replace(world.one.config, ca=world.two.config.ca)
    async with Client(config) as member:
        with pytest.raises(JoinError, match="can't be reached") as caught:
            await join(world.hub, member, config, world.name())
    assert caught.value.hint == "check certificate-authority-data"


async def test_a_secret_that_a_user_made_is_not_overwritten_and_the_member_is_cleaned(world: World) -> None:
    name = world.name()
    identity = await hub_identity(world.hub)
    await without_namespace(world.one)
    meta = {"name": name, "namespace": SYSTEM_NAMESPACE}
    await world.hub.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"a": "b"}})

    with pytest.raises(JoinError, match="was not made by `cluster join`"):
        await join(world.hub, world.one, world.one.config, name)

    assert await gone(world.one, CLUSTERROLES, account_name(identity.id))
    await eventually(lambda: gone(world.one, NAMESPACES, SYSTEM_NAMESPACE))
    await world.hub.delete(SECRETS, name, SYSTEM_NAMESPACE)


@pytest.mark.parametrize("name", ["Upper", "dots.are.not", "", "x" * 64, "-a", "a_b"])
async def test_a_name_that_could_not_name_everything_is_refused(world: World, name: str) -> None:
    with pytest.raises(JoinError, match="can't name a cluster"):
        await join(world.hub, world.one, world.one.config, name)


async def test_labels_that_the_hub_refuses_change_nothing_in_the_member(world: World) -> None:
    with pytest.raises(JoinError, match="the hub refuses it"):
        await join(world.hub, world.one, world.one.config, world.name(), labels={"env": "no spaces"})
    assert await gone(world.one, CLUSTERROLES, account_name((await hub_identity(world.hub)).id))


async def test_a_rotated_token_replaces_the_old_one_unless_somebody_was_quicker(world: World) -> None:
    name = world.name()
    await join(world.hub, world.one, world.one.config, name)
    identity = await hub_identity(world.hub)
    secret = await world.hub.get(SECRETS, name, SYSTEM_NAMESPACE)
    config, before = read_secret(secret)[0], credentials.read(secret)
    assert before.issued is not None
    assert before.rotate_at == pytest.approx(before.issued + credentials.LIFETIME / 2, abs=2)
    await asyncio.sleep(1.1)

    async with Client(config) as member:
        await eventually(lambda: member.list(NAMESPACES))
        written, after = await credentials.rotate(world.hub, member, identity.id, secret, config)
        with pytest.raises(Conflict):
            await credentials.rotate(world.hub, member, identity.id, secret, config)

    assert after.issued is not None
    assert after.issued > before.issued
    assert (after.cluster_uid, after.rights) == (before.cluster_uid, "admin")
    async with Client(read_secret(written)[0]) as renewed:
        await renewed.list(NAMESPACES)


async def test_the_end_of_a_users_own_certificate_is_known(world: World) -> None:
    issued, expires = credentials.lifetime(world.one.config)
    assert issued is not None
    assert expires is not None
    assert issued < time.time() < expires


async def test_leaving_waits_for_the_hub_and_says_for_what(world: World) -> None:
    name = world.name()
    await join(world.hub, world.one, world.one.config, name)
    await world.hub.patch(CLUSTERS, name, "", {"metadata": {"finalizers": [CLUSTER_FINALIZER]}}, type="merge")

    with pytest.raises(LeaveTimeoutError, match="waiting for the hub"):
        await leave(world.hub, name, timeout=0.5)
    cluster = await world.hub.get(CLUSTERS, name)
    assert cluster.deleting
    assert cluster.annotations["atoll.dev/leave"] == "orphan"


async def test_a_forced_leave_needs_neither_member_nor_hub_and_says_what_stays(world: World) -> None:
    name = world.name()
    await join(world.hub, world.one, world.one.config, name)
    identity = await hub_identity(world.hub)
    await world.hub.patch(CLUSTERS, name, "", {"metadata": {"finalizers": [CLUSTER_FINALIZER]}}, type="merge")

    behind = await leftovers(world.hub, name, identity.id)
    await leave(world.hub, name, "force", timeout=0.5)

    assert account_name(identity.id) in behind[0]
    assert await gone(world.hub, CLUSTERS, name)
    assert await gone(world.hub, SECRETS, name, SYSTEM_NAMESPACE)


async def test_without_a_finalizer_the_secret_goes_as_well(world: World) -> None:
    name = world.name()
    await join(world.hub, world.one, world.one.config, name)
    await leave(world.hub, name, timeout=2)
    assert await gone(world.hub, SECRETS, name, SYSTEM_NAMESPACE)


async def test_two_hubs_find_one_identity(world: World) -> None:
    with suppress(NotFound):
        await world.two.delete(CONFIGMAPS, "hub", SYSTEM_NAMESPACE)
    found = await asyncio.gather(*(hub_identity(world.two) for _ in range(8)))
    assert len(set(found)) == 1
    await world.two.delete(CONFIGMAPS, "hub", SYSTEM_NAMESPACE)


async def test_a_token_of_an_account_that_left_is_refused(world: World) -> None:
    name = world.name()
    await join(world.hub, world.one, world.one.config, name)
    config = read_secret(await world.hub.get(SECRETS, name, SYSTEM_NAMESPACE))[0]
    await clean_member(world.one, (await hub_identity(world.hub)).id)

    async def refused() -> bool:
        async with Client(config) as member:
            try:
                await member.list(NAMESPACES)
            except (Unauthorized, Forbidden):
                return True
            return False

    await eventually(refused, 20)


async def test_what_atoll_places_for_itself_is_not_marked_as_delivered(world: World) -> None:
    await join(world.hub, world.one, world.one.config, world.name())
    identity = await hub_identity(world.hub)
    role = await world.one.get(CLUSTERROLES, account_name(identity.id))
    assert role.labels[LABEL_INSTALLED_BY] == identity.id
    assert "atoll.dev/hub" not in role.labels


def test_rights_are_read_and_written_the_same() -> None:
    assert str(Rights.parse("admin")) == "admin"
    assert str(Rights.parse("namespaces=a, b,a")) == "namespaces=a,b"
    for wrong in ("", "root", "namespaces=", "namespaces"):
        with pytest.raises(ValueError, match="rights are"):
            Rights.parse(wrong)


def test_kubeconfigs_that_cannot_be_read_say_why() -> None:
    with pytest.raises(KubeError, match="not a kubeconfig"):
        load_kubeconfig(b"[1, 2]")
