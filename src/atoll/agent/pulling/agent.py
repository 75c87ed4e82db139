"""A pull agent, put together. It works from what it holds; conversations with the hub come and go."""

import asyncio
import random
import time

import msgspec
import structlog

from atoll.agent.pulling.answers import answer
from atoll.agent.pulling.conversation import Conversation, FarewellError
from atoll.agent.pulling.holdings import Held, Holdings, Mark, Refusal
from atoll.agent.pulling.outbox import Outbox
from atoll.agent.pulling.store import Store
from atoll.api.delivery import Delivery, Outcome, untouched
from atoll.api.names import LABEL_APP
from atoll.api.objects import ObjectId
from atoll.api.observation import Observation
from atoll.deliver.deliverer import Deliverer
from atoll.deliver.heirs import Verdict
from atoll.deliver.marks import revision_of
from atoll.fleet.capacity import CapacityCount
from atoll.fleet.fleet import Fleet
from atoll.fleet.identity import HubIdentity
from atoll.fleet.leave import clean_member
from atoll.fleet.link import Target as Place
from atoll.fleet.member import Member
from atoll.kube.client import Client
from atoll.kube.config import Config
from atoll.kube.errors import KubeError, Unreachable
from atoll.kube.objects import Object
from atoll.kube.resources import NAMESPACES
from atoll.link.session import LinkError, Session, Stream
from atoll.observe.collector import Collector
from atoll.pull.framing import ProtocolError
from atoll.pull.protocol import QUESTION, SPOKEN, Inherit, MemberState, Verdicts, Versions
from atoll.runtime.changes import Change
from atoll.runtime.supervise import keep
from atoll.telemetry import metrics

log = structlog.get_logger(__name__)

CALL_AGAIN, UNWANTED = 2.0, 30.0
"""Seconds between conversations, by chance half or half as much again; the second for one who is not wanted."""
WRITERS = 8
STORE_AGAIN = 5.0
"""Seconds after which what could not be stored is tried again."""


class PullAgent:
    """`run()` for as long as the process lives; beside it, `attend(session)` for each connection with the hub.

    `config` is how the member's API server is reached; with `namespaces`, nothing is done outside them.
    """

    def __init__(self, config: Config, *, namespaces: tuple[str, ...] = (), spoken: Versions = SPOKEN) -> None:
        self._config = config
        self._namespaces = namespaces
        self._spoken = spoken
        self.holdings = Holdings(Mark(), {})
        self.trouble = ""
        """Why the intent can't be kept on the member; "" when it can."""
        self.left = False
        """The member has left the fleet: there is nothing more to do."""
        self._ready = asyncio.Event()
        self._known = asyncio.Event()
        self._stir = asyncio.Event()
        self._ownerless: frozenset[str] = frozenset()
        self._unstored: dict[str, Held] = {}
        self._ended: dict[str, Outcome] = {}
        self._estate = Inherit()
        self._verdicts: dict[ObjectId, Verdict] = {}
        self._written = Mark()
        self._told: object = None
        self._member: Member | None = None
        self._talk: Conversation | None = None
        self._deliverer = Deliverer(self._delivered, count=_count)
        self._deliverer.claims_complete(lambda uid: uid not in self._ownerless)
        self._collector = Collector(self._observed)
        self.outbox = Outbox(self._catch_up, self._stock)

    @property
    def cluster(self) -> str:
        """The name that the hub knows the member by; "" before it was met."""
        return self.holdings.mark.cluster

    @property
    def member(self) -> Member | None:
        """The member, while it can be reached."""
        return self._member

    async def run(self) -> None:
        """Until cancelled: read what is held, and keep the member so."""
        async with Client(self._config) as client, asyncio.TaskGroup() as scope:
            self._client, self._store = client, Store(client)
            await keep("intent", self._load)
            scope.create_task(keep("settle", self._settle))
            await self._known.wait()
            identity = HubIdentity(self.holdings.mark.hub)
            awares = (self._deliverer, self._collector, CapacityCount(lambda _, c: self.outbox.counted(c)), self)
            async with Fleet(identity, awares, self._reached, lambda name, _: name) as fleet:
                self._fleet = fleet
                fleet.join(Place(self.cluster, self._config, "member", namespaces=self._namespaces))
                await asyncio.Event().wait()

    async def attend(self, session: Session) -> None:
        """Work for the hub at the other end, until the conversation ends: by LinkError or ProtocolError, or because
        another process of the hub, to which another session leads, has let us in.
        """
        await self._ready.wait()
        await Conversation(
            session,
            self.holdings,
            self.outbox,
            welcomed=self._welcomed,
            changed=self._changed,
            ownerless=self._know_ownerless,
            trouble=lambda: self.trouble,
            epoch=self._greatest_epoch,
            inherit=self._inherit,
            spoken=self._spoken,
        ).run()

    def _welcomed(self, talk: Conversation) -> None:
        """Who lets us in leads, and whoever did before leads no more: what it were told would be lost."""
        if self._talk is not None:
            self._talk.stop()
        self._talk = talk

    async def keep_attending(self, session: Session) -> None:
        """One conversation after the other, while `session` lasts; longer pauses for a hub that wants none."""
        lost = asyncio.ensure_future(session.wait_lost())
        try:
            while not lost.done():
                pause = CALL_AGAIN
                try:
                    await self.attend(session)
                except FarewellError as bye:
                    log.warning("the hub ended the conversation", reason=bye.reason, why=str(bye))
                    pause = CALL_AGAIN if bye.again else UNWANTED
                except (LinkError, ProtocolError) as error:
                    log.info("the conversation ended", why=str(error))
                await asyncio.wait([lost], timeout=pause * random.uniform(0.5, 1.5))
        finally:
            lost.cancel()

    def serve(self, session: Session) -> None:
        """Answer the questions that the hub at the other end puts."""
        session.serve(self._answer, lambda target: target == QUESTION)

    async def engage(self, cluster: Member) -> None:
        """Count what is on the member (see fleet.provider.Aware)."""

        def tell(change: Change[Object]) -> None:
            before, now = (o and o.labels.get(LABEL_APP, "") for o in (change.old, change.new))
            if before != now:
                for uid in {before, now} - {None}:
                    self.outbox.found(uid or "")

        self._member = cluster
        self.outbox.restock()
        unsubscribe = cluster.watches.subscribe(tell)
        try:
            await asyncio.Event().wait()
        finally:
            self._member = None
            unsubscribe()

    # What is held

    async def _load(self) -> None:
        self.outbox.reached(await _identity(self._client))
        mark, held = await self._store.load()
        mark = msgspec.structs.replace(mark, life=max(time.time_ns(), mark.life + 1))
        self.holdings = Holdings(mark, held)
        for uid in held:
            self._carry_out(held[uid])
        if mark.hub:
            self._known.set()
            log.info("holding", hub=mark.hub, cluster=mark.cluster, applications=len(held))
        self._ready.set()

    def _changed(self) -> None:
        if self.cluster:
            self._known.set()
        self._stir.set()

    async def _settle(self) -> None:
        """Until cancelled: take what the hub says, to disk first, and give up what it doesn't want."""
        while True:
            await self._stir.wait()
            self._stir.clear()
            await self._end()
            settlement = self.holdings.settle()
            await self._remember()
            again = (h for uid, h in self._unstored.items() if self.holdings.held.get(uid) is h)
            await self._store_all((*settlement.take, *again))
            for held in settlement.take:
                self._carry_out(held)
            for uid in settlement.drop:
                await self._drop(uid)
            self.outbox.refused(map(_refusal, self.holdings.refused.values()))
            self._tell_state()
            self.outbox.again(settlement.same)

    def _tell_state(self) -> None:
        """What is wrong with the intent, when that changed."""
        state = self.trouble, self.holdings.mark.doubted, len(self.holdings.refused), self.holdings.mark.resumed
        if state != self._told:
            self._told = state
            self.outbox.state()

    async def _end(self) -> None:
        """Removals that were carried out are forgotten on the member before the hub hears of it."""
        ended, self._ended = self._ended, {}
        for uid, outcome in ended.items():
            if self.holdings.ended(uid, outcome.revision):
                await self._drop(uid)
                self.outbox.delivered(outcome)

    async def _drop(self, uid: str) -> None:
        self._unstored.pop(uid, None)
        self._collector.forget(self.cluster, uid)
        self._deliverer.forget(self.cluster, uid)
        self.outbox.forget(uid)
        try:
            await self._store.drop(uid)
        except KubeError as error:  # it is there after a restart; then the hub says that it is not wanted
            log.warning("intent not dropped", application=uid, error=str(error))

    async def _store_all(self, take: tuple[Held, ...]) -> None:
        """What can't be stored is carried out all the same, and stored later."""
        turn = asyncio.Semaphore(WRITERS)

        async def put(held: Held) -> None:
            async with turn:
                try:
                    await self._store.put(held)
                except (KubeError, ValueError) as error:
                    self.trouble = f"the intent of {held.target.key} can't be kept on the member: {error}"
                    log.warning("intent not stored", application=str(held.target.key), error=str(error))
                    self._unstored[held.target.uid] = held
                else:
                    self._unstored.pop(held.target.uid, None)

        async with asyncio.TaskGroup() as scope:
            for held in take:
                scope.create_task(put(held))
        if not self._unstored:
            self.trouble = ""
        else:
            asyncio.get_running_loop().call_later(STORE_AGAIN, self._stir.set)

    async def _remember(self) -> None:
        """What is known of the hub itself, when that changed."""
        mark = self.holdings.mark
        if mark != self._written and mark.hub:
            try:
                await self._store.mark(mark)
            except KubeError as error:
                self.trouble = f"what is known of the hub can't be kept on the member: {error}"
                asyncio.get_running_loop().call_later(STORE_AGAIN, self._stir.set)
            else:
                self._written = mark

    def _carry_out(self, held: Held) -> None:
        """Have the member so. What it is called here is what the hub calls it now."""
        target = msgspec.structs.replace(held.target, cluster=self.cluster)
        if isinstance(target, Delivery):
            self._collector.expect(
                self.cluster,
                target.key,
                target.uid,
                target.ids,
                target.health,
                target.carry,
                statuses=target.manner.tell_status,
            )
            self._deliverer.submit(target)
        else:
            self._collector.forget(self.cluster, target.uid)
            self._deliverer.remove(target)

    # What is found

    def _delivered(self, outcome: Outcome) -> None:
        if outcome.gone:
            self._ended[outcome.uid] = outcome
            self._stir.set()
        else:
            self.outbox.delivered(outcome)
            if not outcome.under_way:
                self._collector.passed(self.cluster, outcome.uid)

    def _observed(self, observation: Observation) -> None:
        self.outbox.observed(observation)

    async def _answer(self, stream: Stream) -> None:
        await answer(stream, self._member, self._clean)

    async def _clean(self) -> tuple[str, ...]:
        """The member leaves the fleet: what the agent holds goes, then what was placed for it."""
        if self._member is None:
            raise Unreachable("Unreachable", "the member can't be reached by its agent")
        await self._store.clear()
        self.left = True
        return await clean_member(self._member.client, self._member.hub.id)

    async def _catch_up(self, uid: str) -> None:
        await self._collector.catch_up(self.cluster, uid)

    def _stock(self) -> dict[str, int] | None:
        return self._member.watches.counts() if self._member is not None else None

    def _know_ownerless(self, uids: frozenset[str]) -> None:
        self._ownerless = uids

    def _inherit(self, said: Inherit | Verdicts) -> None:
        """What a former manager left: what is to be looked for, or what becomes of what was found."""
        if isinstance(said, Inherit):
            self._estate, self._verdicts = said, {}
        else:
            self._verdicts.update(said.verdicts)
        self._deliverer.inherit(self._estate.labels, self._estate.kinds, self._decide)

    def _decide(self, _cluster: str, about: ObjectId) -> Verdict:
        """The hub's verdict, once; without one it is asked."""
        verdict = self._verdicts.pop(about, None)
        if verdict is None:
            self.outbox.left(about)
        return verdict or "keep"

    def _greatest_epoch(self) -> int:
        if self._member is None:
            return 0
        revisions = (revision_of(live) for live in self._member.watches.all())
        return max((revision.epoch for revision in revisions if revision is not None), default=0)

    def _reached(self, name: str) -> None:
        reach = self._fleet.reach(name)
        self.outbox.reached(MemberState(reach.reachable, reach.reason, reach.message, reach.uid, reach.version))


async def _identity(client: Client) -> MemberState:
    """Which cluster this is; the hub wants to know before it says anything."""
    uid = (await client.get(NAMESPACES, "kube-system")).uid
    answer = await client.request("GET", "/version")
    return MemberState(uid=uid, version=str(answer.get("gitVersion", "")))


def _refusal(refusal: Refusal) -> Outcome:
    """What is told of an offer that isn't taken."""
    return untouched(refusal.target, "Conflict", refusal.reason, refusal.message)


def _count(cluster: str, _: str, result: str, seconds: float) -> None:
    metrics.applied(cluster, result, seconds)
