"""One connection with the hub, from Hello to its end."""

import asyncio
import time
from collections.abc import Callable

import msgspec
import structlog

from atoll import __version__
from atoll.agent.pulling.holdings import Holdings, StrangerError
from atoll.agent.pulling.outbox import Outbox
from atoll.api.delivery import Delivery
from atoll.link.session import LinkError, Session
from atoll.pull.channel import Channel
from atoll.pull.framing import TO_AGENT, ProtocolError
from atoll.pull.protocol import (
    CONTROL,
    SPOKEN,
    Beat,
    Bye,
    Deliver,
    Forget,
    Hello,
    Inherit,
    Keep,
    Ownerless,
    Ping,
    Remove,
    Resume,
    Synced,
    ToAgent,
    Verdicts,
    Versions,
    Welcome,
)

log = structlog.get_logger(__name__)

ANSWER = 10.0
"""Seconds in which a hub answers a Hello."""
SILENCE = 3
"""Beats that a hub may leave out."""


class FarewellError(LinkError):
    """The hub ended it, or we have to; `again`: trying later may help."""

    def __init__(self, bye: Bye) -> None:
        super().__init__(bye.reason, bye.text)
        self.again = bye.again


class Conversation:
    """Hears what the hub wants, into `holdings`, and tells what the `outbox` has.

    `welcomed(self)` is called when the hub has let us in: it is this one that counts then. `changed()` is called when
    there is something to settle, `ownerless(uids)` and `inherit(word)` when the hub says so;
    `trouble()` is what is wrong with keeping the intent, `epoch()` the greatest epoch on the member.
    """

    def __init__(
        self,
        session: Session,
        holdings: Holdings,
        outbox: Outbox,
        *,
        welcomed: Callable[["Conversation"], None],
        changed: Callable[[], None],
        ownerless: Callable[[frozenset[str]], None],
        trouble: Callable[[], str],
        epoch: Callable[[], int],
        inherit: Callable[[Inherit | Verdicts], None],
        spoken: Versions = SPOKEN,
    ) -> None:
        self._session = session
        self._holdings = holdings
        self._outbox = outbox
        self._welcomed = welcomed
        self._changed = changed
        self._ownerless = ownerless
        self._trouble = trouble
        self._epoch = epoch
        self._inherit = inherit
        self._spoken = spoken
        self._heard = time.monotonic()
        self._work: list[asyncio.Task[None]] = []
        self.welcome: Welcome | None = None

    async def run(self) -> None:
        """Until it ends, by FarewellError, LinkError or ProtocolError; or until `stop`."""
        stream = await self._session.open(CONTROL)
        channel: Channel[ToAgent] = Channel(stream, ToAgent, TO_AGENT)
        try:
            welcome = await self._greet(channel)
            self._outbox.rewind()
            async with asyncio.TaskGroup() as scope:
                self._work = [
                    scope.create_task(self._listen(channel)),
                    scope.create_task(self._outbox.pump(channel.send, self._beat)),
                    scope.create_task(self._watch(welcome.beat * SILENCE)),
                ]
        except* (LinkError, ProtocolError) as group:
            raise first(group) from None
        finally:
            channel.reset("Over")

    def stop(self) -> None:
        """Another process of the hub has let us in: not a word more is heard from this one, nor said to it."""
        for task in self._work:
            task.cancel()

    async def _greet(self, channel: Channel[ToAgent]) -> Welcome:
        holdings = self._holdings
        hello = Hello(
            self._spoken,
            holdings.mark.life,
            agent=__version__,
            hub=holdings.mark.hub,
            member=self._outbox.member,
            held=holdings.digests(),
        )
        await channel.send(hello)
        try:
            async with asyncio.timeout(ANSWER):
                said = await channel.receive()
        except TimeoutError:
            raise LinkError("Timeout", f"the hub did not answer within {ANSWER:g} s") from None
        match said:
            case Bye():
                raise FarewellError(said)
            case Welcome():
                self.welcome = said
            case _:
                raise ProtocolError(f"the hub begins with {type(said).__name__}")
        try:
            holdings.welcome(said)
        except StrangerError as error:
            bye = Bye("OtherHub", str(error), again=False)
            await channel.part(bye)
            raise FarewellError(bye) from error
        self._welcomed(self)
        log.info("connected", hub=said.hub, epoch=said.epoch, cluster=said.cluster, version=said.version)
        if holdings.mark.doubted:
            log.warning("the hub is older than it was", epoch=said.epoch, moment=said.moment)
        self._resume(said.resume)
        self._changed()
        return said

    async def _listen(self, channel: Channel[ToAgent]) -> None:
        while True:
            message = await channel.receive()
            self._heard = time.monotonic()
            if isinstance(message, Ping):
                await channel.send(self._beat(message.number))
            else:
                self._hear(message)

    def _hear(self, message: ToAgent) -> None:
        holdings = self._holdings
        match message:
            case Deliver():
                self._offer(message)
            case Keep(uid=uid, digest=digest):
                if not holdings.keep(uid, digest):
                    raise ProtocolError(f"the hub takes {uid} for held")
            case Remove(removal=removal):
                holdings.offer(removal)
            case Forget(uid=uid):
                holdings.withdraw(uid)
            case Synced(unknown=unknown):
                holdings.synced(frozenset(unknown))
            case Ownerless(uids=uids):
                self._ownerless(frozenset(uids))
            case Inherit() | Verdicts():
                self._inherit(message)
            case Resume(word=word):
                self._resume(word)
            case Bye():
                raise FarewellError(message)
            case Welcome():
                raise ProtocolError("a second welcome")
        self._changed()

    def _offer(self, message: Deliver) -> None:
        """One that can't be read concerns nobody else: what is held of it stays."""
        try:
            delivery = msgspec.json.decode(message.delivery, type=Delivery)
        except (msgspec.DecodeError, RecursionError) as error:
            log.warning("delivery unreadable", application=message.uid, error=str(error))
            return
        self._holdings.offer(delivery, message.digest)

    def _resume(self, word: str) -> None:
        if self._holdings.resume(word, self._epoch()):
            log.warning("resumed", word=word, floor=self._holdings.mark.floor)

    def _beat(self, ping: int = 0) -> Beat:
        mark = self._holdings.mark
        return Beat(
            self._outbox.number(),
            ping,
            self._outbox.member,
            trouble=self._trouble(),
            doubt=self._doubt(),
            resumed=mark.resumed or "",
        )

    def _doubt(self) -> str:
        refused = len(self._holdings.refused)
        if not self._holdings.mark.doubted and not refused:
            return ""
        older = "the hub is older than it was: was it restored from a backup? " if self._holdings.mark.doubted else ""
        return f"{older}{refused} of its words are refused" if refused else older.strip()

    async def _watch(self, patience: float) -> None:
        """A hub that is silent is gone, whatever the connection looks like."""
        while True:
            await asyncio.sleep(1.0)
            if time.monotonic() - self._heard > patience:
                raise LinkError("Timeout", f"nothing heard from the hub for {patience:g} s")


def first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first single error in nested groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
