"""The answer to an own write is known at once, and told once."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from atoll.api.objects import ObjectId
from atoll.kube.client import Listing
from atoll.kube.objects import Object, decode_object
from atoll.kube.resources import CONFIGMAPS, SECRETS
from atoll.kube.watching import EventType, WatchEvent
from atoll.runtime.changes import Change
from atoll.runtime.mirror import Mirror, WentBackError
from atoll.runtime.watchset import WatchSet
from atoll.testing.fakeapi import HangWatch, Rule
from tests.machines.effort import effort
from tests.spec.runtime.conftest import Server, until

A = ObjectId("", "ConfigMap", "default", "a")
LABELS = {"ours": "yes"}


def watching(server: Server, told: list[Change[Object]]) -> WatchSet:
    watches = WatchSet(server.client, "ours=yes", lambda o: o.labels.get("app"))
    watches.subscribe(told.append)
    return watches


async def written(server: Server, x: str, **labels: str) -> Object:
    """The answer to an own write."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": labels}, "data": {"x": x}}
    return await server.client.apply(CONFIGMAPS, body, name="a", namespace="default", manager="test", force=True)


async def test_an_own_write_is_known_before_the_watch_brings_it(server: Server) -> None:
    told: list[Change[Object]] = []
    server.api.faults.rules.append(Rule(HangWatch(0), verb="watch", times=1))
    async with watching(server, told) as watches:
        await watches.ensure(CONFIGMAPS)
        await until(lambda: server.api.watching > 0)
        answer = await written(server, "1", **LABELS)
        assert watches.get(A) is None  # the watch hangs
        watches.saw(answer)
        assert watches.get(A) is answer
        assert [change.new for change in told] == [answer]


async def test_the_watch_tells_it_no_second_time_and_goes_on_from_there(server: Server) -> None:
    told: list[Change[Object]] = []
    async with watching(server, told) as watches:
        await watches.ensure(CONFIGMAPS)
        answer = await written(server, "1", **LABELS)
        watches.saw(answer)
        server.put("a", "2", ours="yes")
        await until(lambda: len(told) == 2)
        assert told[1].old is answer
        watches.saw(answer)  # late, and of the past
        server.delete("a")
        await until(lambda: len(told) == 3)
        watches.saw(answer)  # it is gone, and stays so
        assert watches.get(A) is None
        assert len(told) == 3


async def test_what_is_not_watched_and_what_lacks_the_labels_is_passed_over(server: Server) -> None:
    told: list[Change[Object]] = []
    async with watching(server, told) as watches:
        await watches.ensure(SECRETS)
        watches.saw(await written(server, "1", **LABELS))
        await watches.ensure(CONFIGMAPS)
        told.clear()
        watches.saw(await written(server, "2"))
        assert all(change.new is None for change in told)


class History:
    """One object's history, and what lists, watches and own writes make of it in a mirror, in any interleaving."""

    def __init__(self) -> None:
        self.revision = 10
        self.events: list[tuple[int, EventType, Object]] = []
        self.answers: list[Object] = []
        self.live: Object | None = None
        self.sent = 10
        self.mirror: Mirror[Object] = Mirror(lambda o: o)
        self.told: list[Object | None] = [None]
        self.listings: list[Listing] = []
        self.take(self.mirror.listed(Listing((), "10")))

    def take(self, changes: object) -> None:
        for change in changes:  # type: ignore[attr-defined]
            assert change.old is self.told[-1]
            assert change.new is not change.old
            assert self.mirror.get(A) is change.new
            self.told.append(change.new)

    def do(self, what: str) -> None:
        match what:
            case "own write" | "other's write":
                self.write(own=what == "own write")
            case "delete" if self.live is not None:
                self.revision += 1
                gone = msgspec.structs.replace(self.live, resource_version=str(self.revision))
                self.events.append((self.revision, "DELETED", gone))
                self.live = None
            case "answer" if self.answers:
                self.take(self.mirror.wrote(self.answers.pop(0)))
            case "event":
                self.event()
            case "bookmark" if not any(rv > self.sent for rv, _, _ in self.events):
                self.sent = self.revision
                mark = object_of(str(self.revision), "")
                self.take(self.mirror.saw(WatchEvent("BOOKMARK", mark)))
            case "list":  # the server writes it now, and it arrives later
                self.listings.append(Listing((self.live,) if self.live else (), str(self.revision)))
            case "listing" if self.listings:
                listing = self.listings.pop()
                self.listings.clear()
                if int(listing.resource_version) >= self.sent:  # a list follows the watch before it
                    self.take(self.mirror.listed(listing))
                    self.sent = int(listing.resource_version)

    def write(self, *, own: bool) -> None:
        self.revision += 1
        uid = self.live.uid if self.live else f"uid-{self.revision}"
        new = object_of(str(self.revision), uid)
        self.events.append((self.revision, "MODIFIED" if self.live else "ADDED", new))
        self.live = new
        if own:
            self.answers.append(object_of(str(self.revision), uid))

    def event(self) -> None:
        for revision, kind, found in self.events:
            if revision > self.sent:
                self.sent = revision
                if kind != "DELETED" and self.mirror.echo(found.resource_version):  # it passes unread
                    assert self.mirror.get(A) == found
                else:
                    self.take(self.mirror.saw(WatchEvent(kind, found)))
                assert self.mirror.version == str(revision)
                return


def object_of(version: str, uid: str) -> Object:
    metadata = {"name": "a", "namespace": "default", "resourceVersion": version, "uid": uid, "labels": LABELS}
    return decode_object(msgspec.json.encode({"metadata": metadata}), CONFIGMAPS)


@effort(300)
@given(
    st.lists(
        st.sampled_from(
            ["own write", "other's write", "delete", "answer", "event", "event", "bookmark", "list", "listing"]
        ),
        min_size=12,
    )
)
def test_whatever_comes_first_what_is_told_goes_forward_and_ends_with_the_truth(steps: list[str]) -> None:
    server = History()
    for step in steps:
        server.do(step)
    while server.answers:
        server.do("answer")
    while any(revision > server.sent for revision, _, _ in server.events):
        server.do("event")
    server.do("bookmark")
    ends = server.told[-1]
    assert (ends.resource_version if ends else None) == (server.live.resource_version if server.live else None)
    versions = [int(o.resource_version) for o in server.told if o is not None]
    assert versions == sorted(set(versions))


def test_the_echo_of_an_own_write_is_told_by_its_version() -> None:
    mirror: Mirror[Object] = Mirror()
    list(mirror.listed(Listing((), "100")))
    list(mirror.wrote(object_of("120", "u")))
    assert not mirror.echo("110")
    assert mirror.echo("120")
    assert not mirror.echo("120")
    assert mirror.version == "120"
    assert not list(mirror.saw(WatchEvent("BOOKMARK", object_of("130", ""))))


def test_of_two_own_writes_only_the_newer_passes_unread() -> None:
    mirror: Mirror[Object] = Mirror()
    list(mirror.listed(Listing((), "100")))
    for version in ("120", "130"):
        list(mirror.wrote(object_of(version, "u")))
    assert not mirror.echo("120")
    assert not list(mirror.saw(WatchEvent("MODIFIED", object_of("120", "u"))))
    assert mirror.echo("130")


def test_what_a_restored_server_has_forgotten_is_not_held_back_by_own_writes() -> None:
    mirror: Mirror[Object] = Mirror(lambda o: o)
    list(mirror.listed(Listing((), "100")))
    list(mirror.wrote(object_of("120", "u")))
    assert mirror.get(A) is not None
    list(mirror.listed(Listing((), "50")))
    assert mirror.get(A) is None


def test_an_own_write_that_the_watch_has_passed_without_bringing_it_asks_for_a_new_list() -> None:
    mirror: Mirror[Object] = Mirror(lambda o: o)
    list(mirror.listed(Listing((), "100")))
    list(mirror.wrote(object_of("120", "u")))
    try:
        list(mirror.saw(WatchEvent("BOOKMARK", object_of("130", ""))))
    except WentBackError:
        list(mirror.listed(Listing((), "131")))
    assert mirror.get(A) is None


def test_a_version_that_a_restored_server_has_given_out_anew_is_another_state() -> None:
    mirror: Mirror[Object] = Mirror()
    lost, new = object_of("100", "u"), msgspec.structs.replace(object_of("100", "u"), labels={"lost": "no"})
    list(mirror.listed(Listing((lost,), "110")))
    assert [change.new for change in mirror.listed(Listing((new,), "105"))] == [new]
    assert mirror.get(A) is new
    assert not list(mirror.listed(Listing((new,), "106")))
