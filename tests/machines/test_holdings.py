"""Hub and agent over conversations that break anywhere, restarts of both, and a hub that is restored from backups.

The model is a hub that remembers what it wants; the agent under test is its `Holdings`. Whatever happened, once a whole
conversation went through, the agent holds what the hub wants, unless the hub was restored: then it holds nothing older
than before, and what it gave up was never ordered to be deleted by anything but a Removal that the hub had said.
"""

import copy

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from atoll.agent.pulling.holdings import Held, Holdings, Mark, Settlement
from atoll.api.delivery import Delivery, Removal
from atoll.api.intent import Revision
from atoll.api.objects import Key
from atoll.pull.protocol import Welcome
from tests.machines.effort import effort

NAMES = st.sampled_from(["red", "blue"])


class Hub:
    """What a hub has on its disk, and in its memory."""

    def __init__(self) -> None:
        self.version = 10
        self.epoch = 1
        self.process = 0
        self.began = 10
        self.word = ""
        self.targets: dict[str, Delivery | Removal] = {}

    def write(self) -> int:
        self.version += 1
        return self.version

    def restart(self, number: int) -> None:
        self.process, self.began = number, self.version

    def live(self, name: str) -> Delivery | None:
        found = (t for t in self.targets.values() if t.key.name == name and isinstance(t, Delivery))
        return next(found, None)


class Conversations(RuleBasedStateMachine):
    """One agent, one hub."""

    @initialize()
    def begin(self) -> None:
        self.hub = Hub()
        self.processes = 0
        self.uids = 0
        self.holdings = Holdings(Mark(), {})
        self.talking = False
        self.restored = False
        self.backups: list[Hub] = []
        self.said: set[str] = set()
        """UIDs that the hub ever said to remove."""
        self.unheard: set[str] = set()
        """UIDs whose removal ended, since the hub said it last."""

    # The hub's users

    @rule(name=NAMES)
    def deploy(self, name: str) -> None:
        live = self.hub.live(name)
        sequence = self.hub.write()
        if live is None:
            self.uids += 1
        uid = live.uid if live is not None else f"u{self.uids}"
        revision = Revision(self.hub.epoch, uid, sequence)
        self.say(Delivery(Key("demo", name), uid, "a", revision, ()))

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        live = self.hub.live(name)
        if live is not None:
            self.hub.write()
            self.say(Removal(live.key, live.uid, "a"))

    @rule(what=st.sampled_from(["back up", "restore", "restart the hub", "restart the agent"]), data=st.data())
    def upheaval(self, what: str, data: st.DataObject) -> None:
        """One rule for all, so that the everyday ones come often enough in a row."""
        self.processes += 1
        match what:
            case "back up":
                self.backups.append(copy.deepcopy(self.hub))
            case "restore" if self.backups:
                older = copy.deepcopy(data.draw(st.sampled_from(self.backups)))
                self.restored = self.restored or older.version < self.hub.version
                self.hub, self.talking = older, False
                self.hub.restart(self.processes)
            case "restart the hub":
                self.hub.restart(self.processes)
                self.talking = False
            case "restart the agent":
                self.holdings, self.talking = Holdings(self.holdings.mark, dict(self.holdings.held)), False

    # The line and the agent

    @rule(broken=st.integers(0, 12))
    def talk(self, broken: int) -> None:
        """A new conversation, which may break after some words."""
        hub, self.talking = self.hub, False
        self.holdings.welcome(Welcome(1, "a", "hub", hub.epoch, hub.began, f"p{hub.process}", hub.word))
        self.holdings.resume(hub.word, self.greatest_epoch())
        self.settle()
        for number, target in enumerate(hub.targets.values()):
            if number == broken:
                return
            self.offer(target)
            assert self.holdings.settle() == Settlement()
        self.holdings.synced(frozenset())
        self.talking = True
        self.settle()

    @precondition(lambda self: self.talking)
    @rule()
    def resume(self) -> None:
        self.hub.word = f"word {self.hub.write()}"
        self.holdings.resume(self.hub.word, self.greatest_epoch())
        self.settle()
        self.restored = False

    @rule(heard=st.booleans())
    def removals_end(self, *, heard: bool) -> None:
        """All that are under way; the hub hears of it, or not."""
        for uid, held in list(self.holdings.held.items()):
            if isinstance(held.target, Removal):
                self.holdings.ended(uid, held.target.revision)
                self.unheard.add(uid)
                if heard and self.talking:
                    self.hub.targets.pop(uid, None)
                    self.holdings.withdraw(uid)
        self.settle()

    @precondition(lambda self: self.talking)
    @rule()
    def repeat(self) -> None:
        """The hub says again what it said already."""
        for target in self.hub.targets.values():
            self.offer(target)
            self.settle()

    # What must hold

    @invariant()
    def nothing_is_removed_that_the_hub_did_not_say(self) -> None:
        for uid, held in self.holdings.held.items():
            assert isinstance(held.target, Delivery) or uid in self.said

    @invariant()
    def after_a_whole_conversation_the_agent_holds_what_the_hub_wants(self) -> None:
        if not self.talking or self.restored:
            return
        wanted = {uid: type(t) for uid, t in self.hub.targets.items() if uid not in self.unheard}
        held = {uid: type(held.target) for uid, held in self.holdings.held.items()}
        assert held == wanted
        for uid in wanted:
            target, mine = self.hub.targets[uid], self.holdings.held[uid].target
            if mine.revision is not None and target.revision is not None:
                assert mine.revision.sequence == target.revision.sequence
        assert not self.holdings.refused

    # Inside

    def say(self, target: Delivery | Removal) -> None:
        self.hub.targets[target.uid] = target
        if self.talking:
            self.offer(target)
            self.settle()

    def offer(self, target: Delivery | Removal) -> None:
        if isinstance(target, Removal):
            self.said.add(target.uid)
        self.unheard.discard(target.uid)
        self.holdings.offer(target)

    def settle(self) -> None:
        before = dict(self.holdings.held)
        settled = self.holdings.settle()
        for taken in settled.take:
            self.no_older(before.get(taken.target.uid), taken)
        for uid in settled.drop:
            assert uid not in self.hub.targets, "what the hub wants is not given up"
            assert not self.holdings.mark.doubted

    @staticmethod
    def no_older(before: Held | None, taken: Held) -> None:
        if before is None or before.target.revision is None or taken.target.revision is None:
            return
        assert not before.target.revision.newer_than(taken.target.revision)

    def greatest_epoch(self) -> int:
        held = (h.target.revision.epoch for h in self.holdings.held.values() if h.target.revision is not None)
        return max(held, default=0)


TestConversations = Conversations.TestCase
TestConversations.settings = effort(400)
