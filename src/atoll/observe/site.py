"""One cluster as long as its connection lasts: its applications' objects, looked at again only when they change."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import structlog

from atoll.api.failover import Carry
from atoll.api.names import LABEL_APP
from atoll.api.objects import NOTHING, GroupKind, Json, Key, ObjectId
from atoll.api.observation import ObjectHealth, Observation
from atoll.fleet.member import Member
from atoll.kube.objects import Object
from atoll.observe.carrying import Cargo
from atoll.observe.custom import HealthRules
from atoll.observe.health import RULES, assess
from atoll.observe.illness import Illness
from atoll.observe.probe import Asking, Probes
from atoll.observe.problems import find_problems
from atoll.observe.reduce import STANDSTILL, WELL, Finding, Tally, escalate
from atoll.observe.statuses import Statuses
from atoll.observe.wording import clean
from atoll.runtime.informer import Change

log = structlog.get_logger(__name__)

BURST = 0.005
"""Seconds that changes are collected before they are looked at."""
SLICE = 0.005
"""Seconds of work after which others have a turn."""
SHARE = 10.0
"""A look that took long is followed by a pause this many times as long, so that observing takes a tenth of a CPU."""
LONGEST_PAUSE = 0.25
GRACE = 3.0
"""Seconds for a kind's watch to be set up before its absence means something."""
TICK = 0.2
"""Seconds between two looks at which kinds are listed and what has been waiting for too long."""
ILL_TICK = 1.0
"""The same, where nothing is awaited, and only what is ill may become worse by waiting."""
IDLE_TICK = 2.0
"""The same, where everything is well."""
LATELY = 10.0
"""Seconds for which a copy is believed after its watch broke: most are back within one."""


class Expectation(msgspec.Struct, frozen=True):
    """What should be on a cluster of one application."""

    key: Key
    uid: str
    ids: frozenset[ObjectId]
    rules: HealthRules
    carry: tuple[Carry, ...] = ()
    statuses: bool = False


class Place(NamedTuple):
    """What is followed by one watch: a kind, or what of it is in one namespace where only some may be read."""

    kind: GroupKind
    namespace: str


class Site:
    """`expect` and `forget` say what there should be; `run` reports what there is."""

    def __init__(self, member: Member, report: Callable[[Observation], None], clock: Callable[[], float]) -> None:
        self._member = member
        self._watches = member.watches
        self._report = report
        self._clock = clock
        self._statuses = Statuses(report, self._tell_again)
        self._expected: dict[str, Expectation] = {}
        self._tallies: dict[str, Tally] = {}
        self._cargo: dict[str, Cargo] = {}
        self._dirty: defaultdict[str, set[ObjectId]] = defaultdict(set)
        self._unseen: defaultdict[str, set[ObjectId]] = defaultdict(set)
        self._ill: dict[Asking, Illness] = {}
        self._places: defaultdict[Place, set[str]] = defaultdict(set)
        self._listed: dict[Place, tuple[bool, bool]] = {}
        self._last_listed: dict[Place, float] = {}
        self._since: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._stir = asyncio.Event()
        self._unsubscribe: Callable[[], None] = lambda: None
        self._probes = Probes(member.client, self._look_again)

    def expect(self, before: Expectation | None, now: Expectation) -> None:
        self._expected[now.uid] = now
        tally = self._tallies.setdefault(now.uid, Tally())
        same_rules = before is not None and before.rules == now.rules and before.carry == now.carry
        if now.carry and (known := self._cargo.get(now.uid)) is not None and known.rules == now.carry:
            known.drop(before.ids - now.ids if before is not None else ())
        elif now.carry:
            self._cargo[now.uid] = Cargo(now.carry)
        else:
            self._cargo.pop(now.uid, None)
        kept = before.ids & now.ids if before is not None and same_rules else frozenset[ObjectId]()
        for about in (before.ids if before is not None else frozenset[ObjectId]()) - now.ids:
            tally.drop(about)
            self._calm(Asking(now.uid, about))
            self._now_seen(now.uid, about)
        for place in {self._place(about) for about in now.ids}:
            self._places[place].add(now.uid)
        self._since[now.uid] = time.monotonic()
        here = frozenset(about for about in now.ids - kept if self._watches.get(about) is not None)
        if to_come := now.ids - kept - here:  # most are on their way, and nobody needs to hear that they are missing
            self._unseen[now.uid] |= to_come
            self._stir.set()
        if here or not to_come:
            self._dirty[now.uid] |= here
            self._wake.set()

    def passed(self, uid: str) -> None:
        """Delivery has done what it could for now: what is not here is missing."""
        for about in tuple(self._unseen.get(uid, ())):
            self._mark(uid, about)

    def forget(self, expectation: Expectation) -> None:
        uid = expectation.uid
        stores: tuple[dict[str, Any], ...] = (
            self._expected, self._tallies, self._cargo, self._dirty, self._unseen, self._since,
        )  # fmt: skip
        for store in stores:
            store.pop(uid, None)
        for asking in [a for a in self._ill if a.uid == uid]:
            del self._ill[asking]
        for uids in self._places.values():
            uids.discard(uid)
        self._probes.drop_all(uid)
        self._statuses.forget(uid)

    def close(self) -> None:
        """The watches may outlive an engagement; what they say then is nobody's business."""
        self._unsubscribe()
        self._statuses.close()

    async def run(self) -> None:
        self._unsubscribe = self._watches.subscribe(self._changed)
        async with asyncio.TaskGroup() as scope:
            scope.create_task(self._probes.run())
            scope.create_task(self._tick())
            earliest = 0.0
            while True:
                await self._wake.wait()
                await asyncio.sleep(max(BURST, earliest - time.monotonic()))
                self._wake.clear()
                worked = await self._look()
                earliest = time.monotonic() + min(SHARE * worked, LONGEST_PAUSE)

    def _changed(self, change: Change[Object]) -> None:
        for version in (change.old, change.new):
            if version is not None:
                self._mark(version.labels.get(LABEL_APP, ""), change.id)

    def _look_again(self, asking: Asking) -> None:
        self._mark(asking.uid, asking.about)

    def _mark(self, uid: str, about: ObjectId) -> None:
        expectation = self._expected.get(uid)
        if expectation is not None and about in expectation.ids:
            self._dirty[uid].add(about)
            self._wake.set()

    async def _look(self) -> float:
        """Assess what changed, application by application; give way to others in between. Returns seconds of work."""
        worked = 0.0
        while self._dirty:
            worked += await self.catch_up(next(iter(self._dirty)))
        return worked

    async def catch_up(self, uid: str) -> float:
        """What is told of application `uid` is as new as what is known of it. Returns seconds of work."""
        worked, began = 0.0, time.perf_counter()
        while uid in self._dirty:
            expectation = self._expected.get(uid)
            if expectation is None or not self._dirty[uid]:
                del self._dirty[uid]
                if expectation is not None and not self._unseen.get(uid):
                    self._tell(expectation)
                continue
            about = self._dirty[uid].pop()
            if about in expectation.ids:
                self._assess_safely(expectation, about)
            if (spent := time.perf_counter() - began) > SLICE:
                await asyncio.sleep(0)
                worked, began = worked + spent, time.perf_counter()
        return worked + time.perf_counter() - began

    def _tell(self, expectation: Expectation) -> None:
        tally, cargo = self._tallies[expectation.uid], self._cargo.get(expectation.uid)
        tally.rest(expectation.ids)
        verdict = tally.verdict()
        observation = Observation(
            key=expectation.key,
            uid=expectation.uid,
            cluster=self._member.name,
            health=verdict.health,
            ready=verdict.ready,
            desired=verdict.desired,
            problems=verdict.problems,
            carry=cargo.values() if cargo is not None else NOTHING,
        )
        if not expectation.statuses:
            self._report(observation)
            return
        found = (self._watches.get(about) for about in sorted(expectation.ids))
        self._statuses.tell(observation, (o for o in found if o and o.labels.get(LABEL_APP) == expectation.uid))

    def _tell_again(self, uid: str) -> None:
        if (expectation := self._expected.get(uid)) is not None and not self._unseen.get(uid):
            self._tell(expectation)

    def _assess_safely(self, expectation: Expectation, about: ObjectId) -> None:
        """Whatever one object does to us, the others of the cluster are looked at all the same."""
        try:
            self._assess(expectation, about)
        except Exception as error:
            log.exception("not assessed", cluster=self._member.name, application=str(expectation.key), about=str(about))
            self._now_seen(expectation.uid, about)
            words = clean(f"its state can't be read: {error or type(error).__name__}")
            finding = Finding(ObjectHealth("Unknown", "RuleError", words))
            self._tallies[expectation.uid].put(about, finding)

    def _assess(self, expectation: Expectation, about: ObjectId) -> None:
        asking = Asking(expectation.uid, about)
        live, tally = self._watches.get(about), self._tallies[expectation.uid]
        place = self._place(about)
        listed, lately = self._listed[place] = self._trust(place)
        if live is not None and live.labels.get(LABEL_APP) != expectation.uid:
            live = None
        if live is None and not listed and self._may_come(expectation.uid, about, lately=lately):
            return
        self._now_seen(expectation.uid, about)
        cargo = self._cargo.get(expectation.uid)
        if live is not None and cargo is not None and cargo.reads(about):
            cargo.look(about, live.body())
        health, body = self._health(live, believed=listed or lately, about=about, rules=expectation.rules)
        tally.put(about, self._finding(asking, health, body))

    def _may_come(self, uid: str, about: ObjectId, *, lately: bool) -> bool:
        """Nothing can be said of an object that isn't here: its watch is not set up yet, or broke a moment ago."""
        if self._tallies[uid].get(about) is not None:
            return lately
        if time.monotonic() - self._since[uid] >= GRACE:
            return False
        self._unseen[uid].add(about)
        self._stir.set()
        return True

    def _now_seen(self, uid: str, about: ObjectId) -> None:
        if unseen := self._unseen.get(uid):
            unseen.discard(about)
            if not unseen:
                del self._unseen[uid]

    def _place(self, about: ObjectId) -> Place:
        return Place(about.group_kind, about.namespace if self._watches.namespaces else "")

    def _trust(self, place: Place) -> tuple[bool, bool]:
        """Whether the copy of what is there is complete as of now, and whether it was a moment ago."""
        now = time.monotonic()
        listed = self._watches.listed(*place)
        if listed:
            self._last_listed[place] = now
        return listed, now - self._last_listed.get(place, -LATELY) < LATELY

    def _health(
        self, live: Object | None, *, believed: bool, about: ObjectId, rules: HealthRules
    ) -> tuple[ObjectHealth, Json]:
        kind = about.group_kind
        if live is None:
            if believed or kind not in self._watches.kinds():
                return ObjectHealth("Missing", "Missing", "it is not in the cluster"), {}
            return ObjectHealth("Unknown", "NotListed", self._why_not(about)), {}
        if not believed:
            return ObjectHealth("Unknown", "LastSeen", self._why_not(about)), {}
        if kind not in RULES and kind not in rules and not live.deleting and not live.mentions(b'"status":'):
            return WELL.health, {}  # nothing to read: most objects of most applications
        body = live.body()
        return assess(body, rules), body

    def _why_not(self, about: ObjectId) -> str:
        kind, error = about.group_kind, self._watches.error(*self._place(about))
        return f"{kind} can't be watched now" + (f": {error}" if error else "")

    def _finding(self, asking: Asking, health: ObjectHealth, body: Json) -> Finding:
        """The object's health with what is behind it; whoever is well again is no longer looked at closely."""
        illness, now = self._ill.get(asking), time.monotonic()
        generation = (body.get("metadata") or {}).get("generation") or 0
        if health.health in {"Healthy", "Suspended", "Missing"}:
            if health.health == "Healthy" and illness and illness.finding and illness.only_pauses(generation, now):
                return illness.finding
            self._calm(asking)
            return WELL if health == WELL.health else Finding(health)
        if illness is None:
            illness = self._ill[asking] = Illness(self._clock(), now, health, generation)
            self._stir.set()
        illness.goes_on(health, generation, now)
        if body:
            self._probes.want(asking, body, urgent=health.health == "Degraded")
        return illness.conclude(self._diagnose(asking, illness, now))

    def _diagnose(self, asking: Asking, illness: Illness, now: float) -> Finding:
        about, health, seen = asking.about, illness.health, self._probes.seen(asking)
        problems = find_problems(about, health, seen.pods, seen.events, now=self._clock(), since=illness.begun)
        worse = escalate(about, health, problems, now - illness.stands)
        if worse.reason == STANDSTILL:
            problems = find_problems(about, worse, seen.pods, seen.events, now=self._clock(), since=illness.begun)
        return Finding(worse, problems)

    def _calm(self, asking: Asking) -> None:
        if self._ill.pop(asking, None) is not None:
            self._probes.drop(asking)

    async def _tick(self) -> None:
        while True:
            if not any(self._unseen.values()):
                self._stir.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ILL_TICK if self._ill else IDLE_TICK):
                        await self._stir.wait()
            await asyncio.sleep(TICK)
            now = time.monotonic()
            for place, uids in self._places.items():
                if uids and self._listed.get(place) != self._trust(place):
                    self._mark_place(place)
            for uid, unseen in self._unseen.items():
                if unseen and now - self._since.get(uid, now) >= GRACE:
                    for about in unseen:
                        self._mark(uid, about)
            for asking, illness in self._ill.items():
                if illness.due(now):
                    self._mark(*asking)

    def _mark_place(self, place: Place) -> None:
        for uid in sorted(self._places[place]):  # who is told of first isn't left to chance
            for about in self._expected[uid].ids - self._unseen.get(uid, frozenset()):
                if self._place(about) == place:
                    self._mark(uid, about)
