"""One cluster in pull mode: whether its agent is there, and what it said last."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
import structlog

from atoll.deliver.heirs import Estate
from atoll.fleet.link import Reach, Target
from atoll.fleet.member import Member
from atoll.hub.pulled.asking import ask
from atoll.hub.pulled.terms import Terms
from atoll.kube.errors import Unreachable
from atoll.pull.protocol import Answer, Beat, Clean, Cleaned, MemberState, Question, Stock
from atoll.telemetry import metrics

if TYPE_CHECKING:
    from atoll.hub.pulled.conversation import Conversation

log = structlog.get_logger(__name__)

AWAY = 12.0
"""Seconds without a word after which an agent is away: two beats of 5 s."""
LOOK = 1.0
MOST_APPLICATIONS = 20_000
"""Of an agent that makes them up, no more are remembered."""


class PulledConnection:
    """What the fleet keeps of the cluster (see fleet.fleet.Connection), and whom the deliverer entrusts it to.

    `uid` is the identity that the Cluster is known by, "" at first; `resume` the word in its annotation. `ended(self)`
    is called when the cluster has left.
    """

    def __init__(self, name: str, terms: Terms, ended: Callable[["PulledConnection"], None]) -> None:
        self.name = name
        self.uid = self.resume = ""
        self.reach = Reach(since=time.time())
        self.member: Member | None = None
        self.latency = 0.0
        self.last_beat = 0.0
        self.agent = ""
        """The version of the agent that called last."""
        self.life = 0
        self.number = 0
        """Of the message that was heard last, in that life."""
        self.trouble = self.doubt = self.resumed = ""
        self.talk: Conversation | None = None
        self._terms = terms
        self._ended = ended
        self._stock: dict[str, int] = {}
        self._all_told = False
        """The agent that talks now has told of all that there is."""
        self._heard = time.monotonic()

    # What the fleet asks

    def holdings(self) -> Collection[str]:
        return self._stock

    async def clean(self) -> tuple[str, ...]:
        async for answer in self.ask(Clean()):
            if isinstance(answer, Cleaned):
                return answer.stays
        raise Unreachable("NoAnswer", f"the agent of {self.name} did not say that it cleaned up")

    async def ask(self, question: Question) -> AsyncGenerator[Answer, None]:
        """The agent's answers, to their end. Raises Unreachable when it isn't there, or can't answer."""
        if self.talk is None:
            raise Unreachable(self.reach.reason, f"{self.name}: {self.reach.message}")
        async for answer in ask(self.talk.session, question):
            yield answer

    def expect(self, uid: str, resume: str) -> None:
        """What the Cluster says: its identity, and the last word by which its agent was told to believe the hub."""
        self.uid = uid
        if resume != self.resume:
            self.resume = resume
            if self.talk is not None:
                self.talk.confirm()

    def renew(self, target: Target) -> bool:  # noqa: ARG002  a kubeconfig is another way to the cluster
        return False

    async def run(self) -> None:
        """Until cancelled, which is when the cluster leaves: notice when the agent is silent."""
        self._heard = time.monotonic()
        try:
            with self._terms.deliverer.entrusted(self.name, self):
                while True:
                    await asyncio.sleep(LOOK)
                    if self.reach.reachable is not False and time.monotonic() - self._heard > AWAY:
                        self._lose()
        finally:
            if self.talk is not None:
                self.talk.stop("Left", f"cluster {self.name} has left the fleet", again=False)
            self._ended(self)

    def _lose(self) -> None:
        if self.talk is not None:
            self.talk.stop("Timeout", f"nothing heard from the agent for {AWAY:g} s")
        when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.last_beat))
        seen = f"last heard at {when}" if self.last_beat else "not heard since the hub started"
        self._set(self._changed_reach(False, "AgentAway", f"its agent does not call; {seen}"))

    # What the deliverer asks

    def retarget(self, uid: str) -> None:
        if self.talk is not None:
            self.talk.retarget(uid)

    def stock(self) -> Mapping[str, int]:
        return self._stock

    def knows(self) -> bool:
        return self._all_told

    def clear_of(self, uid: str) -> bool:  # noqa: ARG002  the agent may have been told to bring it, and not have yet
        return False

    def inherit(self, estate: Estate) -> None:  # noqa: ARG002  whoever talks takes the newest
        if self.talk is not None:
            self.talk.confirm()

    # What the agent says

    @contextmanager
    def talking(self, talk: "Conversation", life: int, agent: str) -> Iterator[None]:
        """The one conversation that counts; the one before is over."""
        if self.talk is not None:
            self.talk.stop("Replaced", "the agent called again")
        if life != self.life:
            self.life, self.number = life, 0
        self.agent, self.talk = agent, talk
        self._all_told = False
        self.heard()
        try:
            yield
        finally:
            if self.talk is talk:
                self.talk = None

    def heard(self) -> None:
        self._heard, self.last_beat = time.monotonic(), time.time()

    def fresh(self, number: int) -> bool:
        """Whether a message of this number is newer than all before it; then it is the newest."""
        if number <= self.number:
            return False
        self.number = number
        return True

    def found(self, member: MemberState) -> None:
        """How the agent reaches its member."""
        if member.reachable:
            self._set(self._changed_reach(True, "Reachable", "", member))
        elif member.reachable is False:
            words = f"its agent can't reach the API server: {member.message or member.reason}"
            self._set(self._changed_reach(False, member.reason or "Unreachable", words[:1024], member))

    def beat(self, beat: Beat, latency: float) -> None:
        self.latency = latency
        metrics.cluster_latency(self.name, latency)
        self.found(beat.member)
        said = beat.trouble[:512], beat.doubt[:512], beat.resumed[:64]
        if said != (self.trouble, self.doubt, self.resumed):
            self.trouble, self.doubt, self.resumed = said
            self._terms.changed(self.name)

    def stocked(self, stock: Stock) -> None:
        """Objects of each application on the member; what appears or goes is noticed."""
        before = self._stock
        now = {} if stock.complete else dict(before)
        for uid, number in stock.objects.items():
            if number > 0 and (uid in now or len(now) < MOST_APPLICATIONS):
                now[uid[:64]] = number
            elif number <= 0:
                now.pop(uid, None)
        self._stock = now
        self._all_told |= stock.complete
        for uid in before.keys() ^ now.keys():
            self._terms.found(self.name, uid)
        if before != now:
            self._terms.changed(self.name)

    # Inside

    def _changed_reach(self, reachable: bool, reason: str, message: str, member: MemberState | None = None) -> Reach:
        before = self.reach
        return msgspec.structs.replace(
            before,
            reachable=reachable,
            reason=reason,
            message=message,
            since=before.since if before.reachable == reachable else time.time(),
            uid=(member.uid if member else "") or before.uid,
            version=(member.version[:64] if member else "") or before.version,
        )

    def _set(self, reach: Reach) -> None:
        before, self.reach = self.reach, reach
        if reach == before:
            return
        metrics.cluster_up(self.name, bool(reach.reachable))
        if reach.reachable != before.reachable:
            log.info("cluster", cluster=self.name, reachable=reach.reachable, reason=reach.reason, why=reach.message)
        self._terms.changed(self.name)
