"""What events of the watch mean: echoes of our own writes cost nothing, and nothing is missed."""

from typing import Any

import pytest

from atoll.api.delivery import Delivery
from atoll.api.intent import Revision
from atoll.api.objects import Key, manifest
from atoll.deliver.compiled import Compiled
from atoll.deliver.ledger import Fight, Ledger
from atoll.deliver.stamp import Stamper
from atoll.kube.objects import Object, of_body
from atoll.runtime.informer import Change

KEY = Key("demo", "shop")
BODY: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "demo"}}
ITEM = Stamper("h1").stamp(manifest(BODY), KEY, "u1")


def live(version: str, uid: str = "x", generation: int = 0, **labels: str) -> Object:
    metadata = {**BODY["metadata"], "resourceVersion": version, "uid": uid, "labels": labels, "generation": generation}
    return of_body({**BODY, "metadata": metadata})


def ledger() -> Ledger:
    delivery = Delivery(KEY, "u1", "c1", Revision(1, "u1", 1), (manifest(BODY),))
    made = Ledger(delivery)
    made.wanted = Compiled(delivery.objects, (), frozenset(), {ITEM.id: ITEM}, frozenset(), {})
    made.all_dirty = made.strays = False
    return made


def change(old: Object | None, new: Object | None) -> Change[Object]:
    return Change(ITEM.id, old, new)


def test_the_echo_of_our_own_write_is_no_reason_to_work() -> None:
    book = ledger()
    book.settle(ITEM, live("5"), answered=True)
    assert book.current(ITEM.id, live("4")) == live("5")
    assert not book.seen(change(live("4"), live("5")))
    assert book.behind == {}


def test_the_echo_that_comes_before_the_answer_is_no_reason_to_work_either() -> None:
    book = ledger()
    book.working.add(ITEM.id)
    assert not book.seen(change(live("4"), live("5")))
    book.settle(ITEM, live("5"), answered=True)
    book.worked(ITEM.id, live("5"))
    assert book.dirty == set()
    assert not book.behind, "nothing is awaited any more"


def test_what_others_changed_while_we_wrote_is_looked_at() -> None:
    book = ledger()
    book.working.add(ITEM.id)
    book.seen(change(live("4"), live("5")))
    book.seen(change(live("5"), live("6", theirs="x")))
    book.settle(ITEM, live("5"), answered=True)
    book.worked(ITEM.id, live("6", theirs="x"))
    assert book.dirty == {ITEM.id}


def test_an_older_event_that_comes_late_is_passed_over() -> None:
    book = ledger()
    book.settle(ITEM, live("10"), answered=True)
    assert not book.seen(change(None, live("9")))


def test_a_change_of_status_is_passed_over_and_one_of_the_spec_is_not() -> None:
    book = ledger()
    book.settle(ITEM, live("5", generation=1), answered=False)
    assert not book.seen(change(live("5", generation=1), live("6", generation=1)))
    assert book.seen(change(live("6", generation=1), live("7", generation=2)))
    assert book.dirty == {ITEM.id}


def test_a_label_is_looked_at_though_the_generation_stays() -> None:
    book = ledger()
    book.settle(ITEM, live("5", generation=1), answered=False)
    assert book.seen(change(live("5", generation=1), live("6", generation=1, theirs="x")))


def test_an_object_that_vanished_before_our_answer_came_is_not_taken_to_be_there() -> None:
    book = ledger()
    book.seen(change(None, live("5")))
    book.seen(change(live("5"), None))  # somebody took our labels off, and we are told of it first
    book.settle(ITEM, live("5"), answered=True)
    assert book.current(ITEM.id, None) is None
    assert book.dirty == {ITEM.id}


def test_an_object_that_was_made_anew_is_not_taken_away_by_the_news_of_the_old_ones_end() -> None:
    book = ledger()
    book.settle(ITEM, live("5", uid="new"), answered=True)
    book.seen(change(live("3", uid="old"), None))
    assert book.current(ITEM.id, None) == live("5", uid="new")


def test_what_the_watch_never_brings_is_looked_at_again() -> None:
    book = ledger()
    book.settle(ITEM, live("5"), answered=True)
    book.overdue()
    assert book.dirty == set()
    book.behind[ITEM.id] = live("5"), float("-inf")
    book.overdue()
    assert book.dirty == {ITEM.id}


def test_what_was_let_go_can_be_let_go_again_after_it_was_taken_again() -> None:
    book = ledger()
    book.sent_away[ITEM.id] = "gone x"
    book.settle(ITEM, live("5"), answered=True)
    assert book.sent_away == {}


def test_a_fight_is_slowed_down_and_forgotten_when_it_is_quiet() -> None:
    fight = Fight()
    waits = []
    now = 1000.0
    for _ in range(14):
        waits.append(max(0.0, fight.due - now))
        now = max(now, fight.due)
        fight.repaired(now, "x keeps changing /data")
    assert waits[:5] == [0.0] * 5
    assert waits[5:] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert fight.over(now + Fight.QUIET)
    fight.repaired(now + Fight.QUIET, "x")
    assert not fight.on


def test_a_ledger_at_rest_holds_no_empty_collections_and_loses_nothing() -> None:
    book = ledger()
    book.settle(ITEM, live("5"), answered=False)
    book.sent_away[ITEM.id] = "gone x"
    book.held.add(ITEM.id)
    book.held.clear()
    book.rest()
    assert set(Ledger.__slots__) - {name for name in Ledger.__slots__ if has(book, name)} == {
        *("behind", "dirty", "doing", "held", "kept", "meanwhile", "put_off", "records", "troubled", "unsure"),
        *("vanished", "working"),
    }
    assert book.still == ("5", "x")
    assert book.sent_away == {ITEM.id: "gone x"}
    assert book.seen(change(live("5"), live("6", changed="yes")))
    assert book.dirty == {ITEM.id}
    assert book.take() == [ITEM.id]


def test_what_a_ledger_knows_comes_back_when_something_happens() -> None:
    book = ledger()
    book.settle(ITEM, live("5", generation=1), answered=False)
    book.rest()
    assert not book.seen(change(live("4", generation=1), live("5", generation=1)))
    record = book.records[ITEM.id]
    assert (record.version, record.uid, record.digest, record.retained) == ("5", "x", ITEM.digest, ITEM.retained)
    assert book.still is None
    book.rest()
    assert not book.seen(change(live("5", generation=1), live("6", generation=1)))
    book.rest()
    assert book.still == ("6", "x")


@pytest.mark.parametrize(
    ("name", "value"), [("accepted", {"/data": 1}), ("fight", Fight()), ("due", 1.0), ("digest", "other")]
)
def test_what_is_out_of_the_ordinary_stays_as_it_is(name: str, value: object) -> None:
    book = ledger()
    book.settle(ITEM, live("5"), answered=False)
    setattr(book.records[ITEM.id], name, value)
    book.rest()
    assert book.still is None
    assert getattr(book.records[ITEM.id], name) == value


def has(book: Ledger, name: str) -> bool:
    """Whether there is something in the slot, without asking for it."""
    try:
        object.__getattribute__(book, name)
    except AttributeError:
        return False
    return True
