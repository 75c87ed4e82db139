"""What an agent takes of its hub's words, and what it doesn't take from a hub that was restored from a backup."""

import msgspec
import pytest

from atoll.agent.pulling.holdings import Held, Holdings, Mark, Settlement, StrangerError, Target
from atoll.api.delivery import Delivery, Removal
from atoll.api.intent import Revision
from atoll.api.objects import Key
from atoll.pull.protocol import Welcome

APP, OTHER = Key("demo", "app"), Key("demo", "other")


def wants(uid: str, sequence: int, key: Key = APP, epoch: int = 1) -> Delivery:
    return Delivery(key, uid, "a", Revision(epoch, uid, sequence), ())


def removes(uid: str, sequence: int | None = None, key: Key = APP) -> Removal:
    return Removal(key, uid, "a", revision=Revision(1, uid, sequence) if sequence is not None else None)


def met(moment: int = 100, epoch: int = 1, resume: str = "", process: str = "") -> Welcome:
    """A welcome by a process of its own for each moment."""
    return Welcome(1, "a", "hub", epoch, moment, process or f"began at {moment}", resume)


class Talk:
    """An agent's holdings, over conversations with its hub."""

    def __init__(self) -> None:
        self.holdings = Holdings(Mark(), {})

    def says(self, *targets: Target, welcome: Welcome | None = None, unknown: tuple[str, ...] = ()) -> Settlement:
        """A new conversation, in which the hub wants `targets` and nothing else."""
        self.holdings.welcome(welcome or met())
        for target in targets:
            self.holdings.offer(target)
            assert self.holdings.settle() == Settlement(), "it was not said yet that this is all"
        self.holdings.synced(frozenset(unknown))
        return self.holdings.settle()

    def goes_on(self, *targets: Target) -> Settlement:
        for target in targets:
            self.holdings.offer(target)
        return self.holdings.settle()

    def restarts(self) -> None:
        self.holdings = Holdings(self.holdings.mark, dict(self.holdings.held))

    @property
    def held(self) -> dict[str, Target]:
        return {uid: held.target for uid, held in self.holdings.held.items()}

    @property
    def refused(self) -> dict[str, str]:
        return {uid: refusal.reason for uid, refusal in self.holdings.refused.items()}


@pytest.fixture
def talk() -> Talk:
    return Talk()


def test_what_is_wanted_is_taken_once_all_of_it_was_said(talk: Talk) -> None:
    settled = talk.says(wants("u1", 5), wants("u2", 6, OTHER))
    assert sorted((held.target for held in settled.take), key=lambda target: target.uid) == [
        wants("u1", 5),
        wants("u2", 6, OTHER),
    ]
    assert talk.goes_on(wants("u1", 7)).take == (Held(wants("u1", 7), talk.holdings.held["u1"].digest),)


def test_what_is_not_said_any_more_is_given_up_without_being_deleted(talk: Talk) -> None:
    talk.says(wants("u1", 5), wants("u2", 6, OTHER))
    settled = talk.says(wants("u1", 5), welcome=met(101))
    assert settled == Settlement(drop=("u2",), same=("u1",))
    assert talk.held == {"u1": wants("u1", 5)}


def test_a_conversation_that_breaks_off_before_its_end_changes_nothing(talk: Talk) -> None:
    talk.says(wants("u1", 5), wants("u2", 6, OTHER))
    talk.holdings.welcome(met(101))
    talk.holdings.offer(removes("u1"))
    assert talk.holdings.settle() == Settlement()
    talk.says(wants("u1", 5), wants("u2", 6, OTHER), welcome=met(102))
    assert talk.held.keys() == {"u1", "u2"}


def test_what_the_hub_cannot_say_yet_is_kept(talk: Talk) -> None:
    talk.says(wants("u1", 5))
    assert talk.says(unknown=("u1",), welcome=met(101)).drop == ()
    talk.holdings.withdraw("u1")
    assert talk.holdings.settle().drop == ("u1",)


def test_an_older_revision_is_refused_and_the_newer_one_kept(talk: Talk) -> None:
    talk.says(wants("u1", 50))
    settled = talk.says(wants("u1", 40), welcome=met(99))
    assert settled.take == ()
    assert talk.refused == {"u1": "NewerRevision"}
    assert talk.held == {"u1": wants("u1", 50)}
    assert talk.goes_on(removes("u1", 40)).take == ()
    assert talk.refused == {"u1": "NewerRevision"}


def test_a_new_uid_under_a_known_name_is_refused_until_the_old_one_is_removed(talk: Talk) -> None:
    talk.says(wants("u1", 5))
    assert talk.says(wants("u2", 9), welcome=met(101)).drop == ()
    assert talk.refused == {"u2": "AnotherUid"}
    settled = talk.goes_on(removes("u1"))
    assert [held.target.uid for held in settled.take] == ["u1", "u2"]
    assert talk.refused == {}


def test_who_took_the_name_is_kept_when_the_old_one_is_removed_again(talk: Talk) -> None:
    talk.says(wants("u1", 5))
    talk.says(wants("u2", 9), removes("u1"), welcome=met(101))
    talk.holdings.ended("u1", removes("u1").revision)
    assert talk.goes_on(removes("u1")).drop == ()
    assert talk.held.keys() == {"u1", "u2"}


def test_the_same_name_may_come_back_when_the_old_one_is_removed_with_it(talk: Talk) -> None:
    talk.says(wants("u1", 5))
    settled = talk.says(wants("u2", 9), removes("u1"), welcome=met(101))
    assert [type(held.target) for held in settled.take] == [Removal, Delivery]


def test_a_hub_that_is_older_than_it_was_takes_nothing_away_by_silence(talk: Talk) -> None:
    talk.says(wants("u1", 5), wants("u2", 6, OTHER), welcome=met(100))
    assert talk.says(wants("u1", 5), welcome=met(80)).drop == ()
    assert talk.holdings.mark.doubted
    talk.restarts()
    assert talk.says(wants("u1", 5), welcome=met(200)).drop == (), "it went on since, and is still not confirmed"
    assert talk.held.keys() == {"u1", "u2"}


def test_what_was_wanted_says_how_far_the_hub_had_come(talk: Talk) -> None:
    talk.says(wants("u1", 5), wants("u2", 150, OTHER), welcome=met(100))
    assert talk.says(wants("u1", 5), welcome=met(120)).drop == ()
    assert talk.holdings.mark.doubted


def test_a_process_that_has_been_met_may_have_said_what_came_after_its_beginning(talk: Talk) -> None:
    talk.says(wants("u1", 150), welcome=met(100))
    assert talk.says(welcome=met(100)).drop == ("u1",)
    talk.says(wants("u1", 160), welcome=met(100))
    assert talk.says(welcome=met(155)).drop == ()
    assert talk.holdings.mark.doubted


def test_resuming_makes_what_the_hub_says_now_count(talk: Talk) -> None:
    talk.says(wants("u1", 50), wants("u2", 60, OTHER), welcome=met(100))
    talk.says(wants("u1", 40), welcome=met(80))
    assert talk.holdings.resume("now", epoch=1)
    settled = talk.holdings.settle()
    assert [held.target.revision for held in settled.take] == [Revision(2, "u1", 40)]
    assert settled.drop == ("u2",)
    assert not talk.holdings.resume("now", epoch=1), "a word counts once"
    assert talk.says(wants("u1", 40), welcome=met(81, resume="now")).same == ("u1",)
    assert talk.goes_on(wants("u1", 41)).take[0].target.revision == Revision(2, "u1", 41)


def test_a_hub_that_was_confirmed_stays_so_when_it_is_called_again(talk: Talk) -> None:
    """A flap of the line must not undo an administrator's word; a second restore is found out all the same."""
    talk.says(wants("u1", 7), welcome=met(100))
    talk.says(wants("u1", 5), welcome=met(50))
    assert talk.holdings.mark.doubted
    assert talk.holdings.resume("word", epoch=1)
    talk.goes_on()
    talk.restarts()
    talk.says(wants("u1", 60), welcome=met(50, resume="word"))
    assert not talk.holdings.mark.doubted
    assert not talk.refused
    talk.says(wants("u1", 60), welcome=met(61, resume="word"))  # its next process
    assert not talk.holdings.mark.doubted
    talk.says(welcome=met(59, resume="word"))
    assert talk.holdings.mark.doubted


def test_resuming_lets_a_new_uid_take_the_name(talk: Talk) -> None:
    talk.says(wants("u1", 5))
    talk.says(wants("u2", 9), welcome=met(101))
    talk.holdings.resume("now", epoch=0)
    settled = talk.holdings.settle()
    assert [held.target.uid for held in settled.take] == ["u2"]
    assert settled.drop == ("u1",)


def test_a_new_epoch_confirms_as_well(talk: Talk) -> None:
    talk.says(wants("u1", 50), wants("u2", 60, OTHER), welcome=met(100))
    talk.says(wants("u1", 40), welcome=met(80))
    settled = talk.says(wants("u1", 40, epoch=2), welcome=met(81, epoch=2))
    assert [held.target for held in settled.take] == [wants("u1", 40, epoch=2)]
    assert settled.drop == ("u2",)


def test_the_first_word_of_a_hub_that_was_never_met_confirms_nothing(talk: Talk) -> None:
    talk.says(wants("u1", 5), welcome=met(resume="long ago"))
    assert not talk.holdings.resume("long ago", epoch=1)
    assert talk.holdings.mark.floor == 0


def test_a_removal_that_was_carried_out_is_not_begun_again(talk: Talk) -> None:
    talk.says(removes("u1"))
    assert talk.holdings.ended("u1", removes("u1").revision)
    assert talk.holdings.settle() == Settlement()
    assert talk.goes_on(removes("u1")).take, "unless the hub asks again: it wants to hear of it again"
    assert talk.holdings.ended("u1", removes("u1").revision)
    assert talk.says(removes("u1"), welcome=met(101)).take, "or calls anew: it may not have heard of it"


def test_it_belongs_to_one_hub_and_to_one_cluster_of_it(talk: Talk) -> None:
    talk.says(wants("u1", 5))
    for welcome in (
        msgspec.structs.replace(met(), hub="another"),
        msgspec.structs.replace(met(), cluster="b"),
    ):
        with pytest.raises(StrangerError):
            talk.holdings.welcome(welcome)


def test_the_end_of_a_removal_is_not_that_of_the_next(talk: Talk) -> None:
    talk.says(removes("u1", 5))
    talk.goes_on(removes("u1"))
    assert not talk.holdings.ended("u1", removes("u1", 5).revision)
    assert "u1" in talk.held
