"""One call of an agent: what is wanted on its cluster goes there, what became of it comes back.

The cluster is the one that the agent's certificate names. Nothing that an agent says can be about another: what it
reports is taken for its own cluster, and only of applications that are wanted, or being removed, there.
"""

import asyncio
import time
from typing import TypeVar

import structlog

from atoll.api.delivery import Delivery, Outcome, Removal, untouched
from atoll.api.manner import OWN_MANNER
from atoll.api.objects import ObjectId
from atoll.deliver.heirs import Estate
from atoll.fleet.capacity import Capacity
from atoll.fleet.pods import Workload
from atoll.hub.pulled.believing import believed_observation, believed_outcome
from atoll.hub.pulled.connection import PulledConnection
from atoll.hub.pulled.terms import Terms
from atoll.link.session import LinkError, Session, Stream
from atoll.pull.channel import PARTING, Channel
from atoll.pull.framing import TO_HUB, ProtocolError
from atoll.pull.protocol import (
    MANNERS,
    SPOKEN,
    Beat,
    Bye,
    Count,
    Forget,
    Hello,
    Inherit,
    Keep,
    Left,
    Ownerless,
    Ping,
    Remove,
    Report,
    Resume,
    Stock,
    Synced,
    ToAgent,
    ToHub,
    Verdicts,
    Versions,
    Welcome,
    agree,
    packed,
)

log = structlog.get_logger(__name__)

E = TypeVar("E", bound=Exception)

GREETING = 10.0
"""Seconds in which an agent says Hello."""
BEAT = 5.0


class RefusedError(Exception):
    """This agent isn't talked to; `bye` says why."""

    def __init__(self, reason: str, text: str, *, again: bool = True) -> None:
        super().__init__(text)
        self.bye = Bye(reason, text, again)


class Conversation:
    """One control stream of the agent of `connection`'s cluster, over `session`."""

    def __init__(
        self, connection: PulledConnection, session: Session, stream: Stream, terms: Terms, spoken: Versions = SPOKEN
    ) -> None:
        self.session = session
        self._connection = connection
        self._terms = terms
        self._spoken = spoken
        self._channel: Channel[ToHub] = Channel(stream, ToHub, TO_HUB)
        self._held: dict[str, str] = {}
        self._pending: dict[str, None] = {}
        self._stir = asyncio.Event()
        self._pings: dict[int, float] = {}
        self._resumed = ""
        self._uid = ""
        """Of the member, as it was judged."""
        self._ownerless: tuple[str, ...] = ()
        self._recount = False
        self._version = spoken.newest
        self._estate: Estate | None = None
        self._left: dict[ObjectId, None] = {}
        self._over: Bye | None = None

    @property
    def bytes(self) -> tuple[int, int]:
        """Sent and received."""
        return self._channel.sent, self._channel.received

    async def run(self) -> None:
        """Until it ends; that it ends by a fault of the line or of the agent is logged, not raised."""
        why = ""
        try:
            await self._run()
        except* RefusedError as group:
            bye = _first(group, RefusedError).bye
            why = bye.text
            await self._channel.part(bye)
        except* (LinkError, ProtocolError) as faults:
            why = str(_first(faults, Exception))
        finally:
            self._channel.reset("Over")
        log.info("agent gone", cluster=self._connection.name, why=why)

    async def _run(self) -> None:
        hello = await self._hello()
        welcome = self._judge(hello)
        connection = self._connection
        with connection.talking(self, hello.life, hello.agent[:64]):
            self._held, self._version, self._uid = dict(hello.held), welcome.version, hello.member.uid
            self._resumed = welcome.resume
            await self._channel.send(welcome)
            self._terms.debts(connection.name, hello.member.uid)
            connection.found(hello.member)
            async with asyncio.TaskGroup() as scope:
                scope.create_task(self._tell())
                scope.create_task(self._listen())
                scope.create_task(self._ping())

    def retarget(self, uid: str) -> None:
        """Something else is wanted of application `uid`, or nothing."""
        self._pending[uid] = None
        self._stir.set()

    def confirm(self) -> None:
        """The word of an administrator may have changed, or what belongs to nobody, or what is to be inherited."""
        self._stir.set()

    def stop(self, reason: str, text: str, *, again: bool = True) -> None:
        """End it, from outside."""
        self._over = Bye(reason, text, again)
        self._stir.set()
        asyncio.get_running_loop().call_later(PARTING, self._channel.reset, reason)  # should it not hear

    # The beginning

    async def _hello(self) -> Hello:
        try:
            async with asyncio.timeout(GREETING):
                hello = await self._channel.receive()
        except TimeoutError:
            raise LinkError("Timeout", "the agent said nothing") from None
        if not isinstance(hello, Hello):
            raise ProtocolError(f"an agent begins with Hello, not with {type(hello).__name__}")
        return hello

    def _judge(self, hello: Hello) -> Welcome:
        """Who is let in. Raises RefusedError."""
        self._lead()
        terms, connection = self._terms, self._connection
        name, uid = connection.name, hello.member.uid
        version = agree(self._spoken, hello.versions)
        if version is None:
            theirs = f"{hello.versions.oldest} to {hello.versions.newest}"
            ours = f"{self._spoken.oldest} to {self._spoken.newest}"
            raise RefusedError("Version", f"the agent speaks versions {theirs}, the hub {ours}: update the older one")
        if hello.hub not in {"", terms.identity.id}:
            raise RefusedError(
                "OtherHub", f"the agent works for hub {hello.hub}, this is {terms.identity.id}", again=False
            )
        if connection.talk is not None and hello.life < connection.life:
            raise RefusedError("Superseded", "a later agent of this cluster is connected")
        if not uid:
            raise RefusedError("NoIdentity", "the agent doesn't say which cluster it is in")
        if connection.uid not in {"", uid}:
            raise RefusedError(
                "IdentityChanged",
                f"this is another cluster: its kube-system namespace has UID {uid}, the name {name} belongs to "
                f"{connection.uid}; `atoll cluster leave {name} --force` frees the name",
            )
        if (owner := terms.owner(name, uid)) != name:
            raise RefusedError("SameClusterTwice", f"this cluster is in the fleet already as {owner}")
        identity = terms.identity
        return Welcome(
            version,
            name,
            identity.id,
            identity.epoch,
            moment=terms.moment(),
            process=terms.process,
            resume=connection.resume,
            beat=BEAT,
        )

    # Telling

    async def _tell(self) -> None:
        """Until cancelled: first all that is wanted and then the end of it, from then on what changes."""
        targets = self._terms.deliverer.targets(self._connection.name)
        self._pending = dict.fromkeys(targets)
        await self._tell_pending()
        await self._say(Synced(tuple(uid for uid in self._held if uid not in targets and self._terms.alive(uid))))
        self._recount = True
        while True:
            if self._over is not None:
                raise RefusedError(self._over.reason, self._over.text, again=self._over.again)
            await self._tell_pending()
            if self._resumed != self._connection.resume:
                self._resumed = self._connection.resume
                await self._say(Resume(self._resumed))
            await self._tell_ownerless()
            if self._version >= MANNERS:
                await self._tell_estate()
            await self._stir.wait()
            self._stir.clear()

    async def _say(self, message: ToAgent) -> None:
        self._lead()
        await self._channel.send(message)

    def _lead(self) -> None:
        """Whoever leads now may have told the agent other things since, of the same revision. Raises RefusedError."""
        if not self._terms.leads():
            raise RefusedError("NotLeading", "this process of the hub leads no more")

    async def _tell_pending(self) -> None:
        targets = self._terms.deliverer.targets(self._connection.name)
        while self._pending and self._over is None:
            uid = next(iter(self._pending))
            del self._pending[uid]
            target = targets.get(uid)
            match target:
                case Delivery() | Removal() if target.manner != OWN_MANNER and self._version < MANNERS:
                    self._held.pop(uid, None)
                    self._terms.delivered(_too_old(target, self._connection.agent))
                case Delivery():
                    await self._deliver(target)
                case Removal():
                    self._held.pop(uid, None)
                    await self._say(Remove(target))
                case None:
                    self._held.pop(uid, None)
                    self._recount = True
                    await self._say(Forget(uid))

    async def _deliver(self, delivery: Delivery) -> None:
        parcel = packed(delivery)
        if self._held.get(parcel.uid) == parcel.digest:
            await self._say(Keep(parcel.uid, parcel.digest))
        else:
            self._held[parcel.uid] = parcel.digest
            await self._say(parcel)

    async def _tell_ownerless(self) -> None:
        if not self._recount:
            return
        self._recount = False
        uids = tuple(sorted(self._terms.deliverer.unclaimed(self._connection.name)))
        if uids != self._ownerless:
            self._ownerless = uids
            await self._say(Ownerless(uids))

    async def _tell_estate(self) -> None:
        """What a former manager left there: what is to be looked for, and what becomes of what was found."""
        estate = self._terms.deliverer.estate
        if estate is not self._estate:
            self._estate = estate
            self._left.clear()  # it is asked about anew
            await self._say(Inherit(dict(estate.labels), tuple(sorted(estate.kinds))))
        elif self._left:
            left, self._left = self._left, {}
            name = self._connection.name
            verdicts = [(about, estate.verdict(name, about)) for about in left if about.group_kind in estate.kinds]
            await self._say(Verdicts(tuple(verdicts)))

    async def _ping(self) -> None:
        number = 0
        while True:
            number += 1
            self._pings = {number: time.monotonic()} | dict(list(self._pings.items())[:3])
            await self._say(Ping(number))
            await asyncio.sleep(BEAT)

    # Listening

    async def _listen(self) -> None:
        connection = self._connection
        while True:
            message = await self._channel.receive()
            if connection.talk is not self:
                raise LinkError("Replaced", "the agent called again")
            match message:
                case Bye():
                    raise LinkError(message.reason, message.text)
                case Hello():
                    raise ProtocolError("a second Hello")
                case _:
                    connection.heard()
                    if connection.fresh(message.number):
                        self._hear(message)

    def _hear(self, message: Report | Stock | Left | Count | Beat) -> None:
        connection = self._connection
        match message:
            case Report():
                self._report(message)
            case Stock():
                connection.stocked(message)
                self._recount = True
                self._stir.set()
            case Left():
                self._left |= dict.fromkeys(message.objects)
                self._stir.set()
            case Count():
                self._terms.counted(connection.name, _capacity(message))
            case Beat():
                sent = self._pings.pop(message.ping, None)
                if message.member.uid not in {"", self._uid}:
                    raise ProtocolError("the member became another cluster")
                connection.beat(message, time.monotonic() - sent if sent is not None else connection.latency)

    def _report(self, report: Report) -> None:
        """Take what is about this cluster's own applications; the rest can't be known here, or isn't this agent's."""
        name = self._connection.name
        targets = self._terms.deliverer.targets(name)
        for outcome in report.outcomes:
            target = targets.get(outcome.uid)
            if target is not None and target.key == outcome.key and (not outcome.gone or _done(outcome, target)):
                self._terms.delivered(believed_outcome(outcome, target, name))
        for seen in report.observations:
            target = targets.get(seen.uid)
            if isinstance(target, Delivery) and target.key == seen.key:
                self._terms.collector.heard(believed_observation(seen, target, name, time.time()))


def _capacity(said: Count) -> Capacity:
    return Capacity(
        said.nodes,
        said.ready_nodes,
        said.regions,
        said.zones,
        said.allocatable,
        said.requested,
        said.rooms,
        {Workload(namespace, name): since for namespace, name, since in said.waiting},
    )


def _done(outcome: Outcome, target: Delivery | Removal) -> bool:
    """Whether `outcome` says that this very removal is done. One before it may have been, which was taken back since,
    and what was brought again isn't gone. Older agents don't say which; an agent may count in an epoch of its own.
    """
    if not isinstance(target, Removal) or outcome.revision is None:
        return isinstance(target, Removal)
    return target.revision is not None and target.revision.sequence == outcome.revision.sequence


def _too_old(target: Delivery | Removal, agent: str) -> Outcome:
    """What is told of what isn't said to an agent that would carry it out in its own way."""
    text = f"the agent {agent or 'of this cluster'} is too old to write objects in this manner: update it"
    return untouched(target, "Failed", "AgentTooOld", text)


def _first(group: BaseExceptionGroup[E], _: type[E]) -> E:
    """The first single error in nested groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error  # type: ignore[return-value]  # a group of E holds nothing else
