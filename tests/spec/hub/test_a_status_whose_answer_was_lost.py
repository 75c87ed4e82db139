"""A status was written, and the answer got lost: it isn't written again, and what it told is told in Events once."""

from typing import Any, cast

import msgspec
import pytest

from atoll.api.intent import Revision
from atoll.api.issues import Issue
from atoll.api.objects import Json, Key
from atoll.api.status import ApplicationStatus
from atoll.hub.dossier import Dossiers
from atoll.hub.reporting import Reporter
from atoll.kube.errors import Conflict, Forbidden, Unreachable
from atoll.kube.objects import Object, of_body
from atoll.plan.planner import plan
from atoll.runtime.decisions import Done, Retry
from atoll.testing.worlds import fleet, intent

KEY = Key("demo", "shop")
SPEC = {"manifests": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}], "placement": {"all": True}}


class World:
    """A Reporter, one Application that is placed nowhere, and the API server that has it."""

    def __init__(self) -> None:
        self.stored: Json = {
            "apiVersion": "atoll.dev/v1alpha1",
            "kind": "Application",
            "metadata": {"name": "shop", "namespace": "demo", "uid": "uid", "resourceVersion": "1"},
            "spec": SPEC,
        }
        self.writes = 0
        self.losing = True
        self.refusing, self.refused = False, 0
        self.finalizer = "atoll.dev/delivery"
        self.told: list[tuple[ApplicationStatus, ApplicationStatus]] = []
        dossiers, here = Dossiers(), cast("Any", self)
        self.dossier = dossiers.open(KEY, of_body(self.stored), here)
        self.dossier.revisions.sequence = 9
        self.dossier.plan = plan(msgspec.structs.replace(intent(), revision=Revision(1, "uid", 9)), fleet())
        self.reporter = Reporter(here, dossiers, here, here, here, lambda *_: False, lambda _: None)

    async def patch(self, _resource: Any, _name: str, _namespace: str, change: Any, **_how: str) -> Object:
        """As a server does that is cut off before its answer."""
        expected, status = change
        if self.refusing:
            self.refused += 1
            raise Forbidden(403)
        version = self.stored["metadata"]["resourceVersion"]
        if expected["value"] != version:
            raise Conflict(409)
        self.writes += 1
        metadata = {**self.stored["metadata"], "resourceVersion": str(int(version) + 1)}
        self.stored = {**self.stored, "metadata": metadata, "status": msgspec.json.decode(bytes(status["value"]))}
        if self.losing:
            raise Unreachable("Reset", "the connection broke")
        return of_body(self.stored)

    def transitions(self, _: Object, before: ApplicationStatus, after: ApplicationStatus) -> None:
        self.told.append((before, after))

    def watch_brings_it(self) -> None:
        self.dossier.saw(of_body(self.stored))


async def test_it_is_not_written_again() -> None:
    world = World()
    with pytest.raises(Unreachable):
        await world.reporter.reconcile(KEY)
    assert isinstance(await world.reporter.reconcile(KEY), Retry)  # its version is one that we don't know yet
    world.watch_brings_it()
    assert await world.reporter.reconcile(KEY) == Done()
    assert world.writes == 1
    assert [before for before, _ in world.told] == [ApplicationStatus()]
    assert world.reporter.written("uid") == msgspec.convert(world.stored["status"], ApplicationStatus)


async def test_one_that_never_came_is_written() -> None:
    world = World()
    with pytest.raises(Unreachable):
        await world.reporter.reconcile(KEY)
    world.stored = {**world.stored, "status": {}}  # another wrote meanwhile
    world.watch_brings_it()
    world.losing = False
    assert await world.reporter.reconcile(KEY) == Done()
    assert world.writes == 2
    assert world.reporter.written("uid") == msgspec.convert(world.stored["status"], ApplicationStatus)


async def test_what_it_said_before_is_told_again_though_that_is_what_is_known_to_be_there() -> None:
    world = World()
    world.losing = False
    await world.reporter.reconcile(KEY)
    first, world.losing = world.stored["status"], True
    world.dossier.issues = (Issue("spec.placement", "there is no such cluster", "error"),)
    with pytest.raises(Unreachable):
        await world.reporter.reconcile(KEY)
    assert world.stored["status"] != first
    world.dossier.issues = ()
    world.losing = False
    assert isinstance(await world.reporter.reconcile(KEY), Retry)  # what is there, is there to be seen first
    world.watch_brings_it()
    assert await world.reporter.reconcile(KEY) == Done()
    assert world.stored["status"]["conditions"] == first["conditions"]


async def test_one_that_was_refused_was_not_made() -> None:
    world = World()
    world.losing = False
    await world.reporter.reconcile(KEY)
    world.dossier.issues, world.refusing = (Issue("spec.placement", "there is no such cluster", "error"),), True
    with pytest.raises(Forbidden):
        await world.reporter.reconcile(KEY)
    world.dossier.issues = ()
    assert await world.reporter.reconcile(KEY) == Done()
    assert world.refused == 1
