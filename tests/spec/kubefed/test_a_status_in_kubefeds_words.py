"""What became of a federated object, by KubeFed's rules: a word for each cluster, a condition, when it is written."""

import msgspec
import pytest

from atoll.api.delivery import ObjectOutcome, Outcome
from atoll.api.intent import Revision
from atoll.api.kubefed.federated import FederatedStatus
from atoll.api.kubefed.names import Propagation, Reason
from atoll.api.objects import Key, ObjectId
from atoll.observe.kubefed.status import federated_status
from atoll.observe.kubefed.words import Word, word

KEY = Key("demo", "FederatedConfigMap/web")
ABOUT = ObjectId("", "ConfigMap", "demo", "web")
FIRST, THEN = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"
OK = Propagation.OK


def outcome(*objects: ObjectOutcome, state: str = "Failed", sequence: int = 7) -> Outcome:
    body = {"key": KEY, "uid": "u", "cluster": "a", "revision": Revision(1, "u", sequence), "state": state}
    return msgspec.structs.replace(msgspec.convert(body, Outcome), objects=objects)


def said(found: Outcome | None, *, ready: bool = True, there: bool = False, leaving: bool = False) -> Word | None:
    return word(found, sequence=7, ready=ready, there=there, leaving=leaving)


@pytest.mark.parametrize(
    ("doing", "expected"),
    [
        ("read", "RetrievalFailed"),
        ("retain", "FieldRetentionFailed"),
        ("patch", "ApplyOverridesFailed"),
        ("create", "CreationFailed"),
        ("update", "UpdateFailed"),
        ("delete", "DeletionFailed"),
        ("unmark", "LabelRemovalFailed"),
    ],
)
def test_what_failed_is_named(doing: str, expected: str) -> None:
    bad = msgspec.structs.replace(ObjectOutcome(ABOUT, "Failed", "Invalid", "no such field"), doing=doing)
    found = said(outcome(bad))
    assert found is not None
    assert (found.word.value, found.message, found.final) == (expected, "Invalid: no such field", True)


def test_what_is_another_s_is_told_apart() -> None:
    off = said(outcome(ObjectOutcome(ABOUT, "Conflict", "HandsOff", "its label says so"), state="Conflict"))
    taken = said(outcome(ObjectOutcome(ABOUT, "Conflict", "Exists", "made by hand"), state="Conflict"))
    assert off is not None
    assert taken is not None
    assert (off.word, taken.word) == (Propagation.MANAGED_LABEL_FALSE, Propagation.ALREADY_EXISTS)


def test_what_is_on_its_way_is_not_final() -> None:
    for found in (None, outcome(state="Applied", sequence=6), outcome(state="Applying")):
        now = said(found)
        assert now is not None
        assert (now.word, now.final) == (Propagation.CREATION_TIMED_OUT, False)
    again = said(None, there=True)
    assert again is not None
    assert again.word == Propagation.UPDATE_TIMED_OUT


def test_what_is_written_stands_until_more_is_known() -> None:
    same = word(None, sequence=7, ready=True, there=True, leaving=False, said=OK)
    assert same == Word(OK, final=False)
    changed = word(outcome(state="Applying"), sequence=7, ready=True, there=True, leaving=False, said=OK)
    assert changed is not None
    assert changed.word == Propagation.UPDATE_TIMED_OUT


def test_readiness_comes_first() -> None:
    assert said(outcome(state="Applied")) == Word(OK)
    away = said(outcome(state="Applied"), ready=False)
    assert away is not None
    assert (away.word, away.final) == (Propagation.CLUSTER_NOT_READY, True)


def test_who_leaves_is_waited_for_where_that_can_be_seen() -> None:
    going = said(None, leaving=True)
    assert going is not None
    assert (going.word, going.final) == (Propagation.WAITING_FOR_REMOVAL, False)
    assert said(None, leaving=True, ready=False) is None


def status(
    before: FederatedStatus,
    *,
    generation: int = 1,
    reason: Reason = Reason.SUCCESS,
    remote: dict[str, object] | None = None,
    now: str = FIRST,
    **words: Propagation,
) -> FederatedStatus:
    return federated_status(before, generation=generation, reason=reason, words=words, remote=remote, now=now)


def test_all_is_well_without_a_reason() -> None:
    made = status(FederatedStatus(), b=OK, a=OK)
    assert msgspec.json.decode(msgspec.json.encode(made)) == {
        "observedGeneration": 1,
        "conditions": [{"type": "Propagation", "status": "True", "lastUpdateTime": FIRST, "lastTransitionTime": FIRST}],
        "clusters": [{"name": "a"}, {"name": "b"}],
    }


def test_one_cluster_in_trouble_is_to_be_looked_at() -> None:
    made = status(FederatedStatus(), a=OK, b=Propagation.CLUSTER_NOT_READY)
    assert (made.conditions[0].status, made.conditions[0].reason) == ("False", "CheckClusters")
    assert msgspec.to_builtins(made)["clusters"][1] == {"name": "b", "status": "ClusterNotReady"}


def test_another_reason_stays() -> None:
    made = status(FederatedStatus(), reason=Reason.NAMESPACE_NOT_FEDERATED)
    assert (made.conditions[0].status, made.conditions[0].reason) == ("False", "NamespaceNotFederated")


def test_nothing_new_is_not_written_again() -> None:
    made = status(FederatedStatus(), a=OK)
    assert status(made, a=OK, now=THEN) is made


def test_a_new_generation_alone_changes_no_time() -> None:
    made = status(FederatedStatus(), a=OK)
    again = status(made, a=OK, generation=2, now=THEN)
    assert again.observed_generation == 2
    assert again.conditions == made.conditions


def test_another_cluster_is_an_update_and_no_transition() -> None:
    made = status(FederatedStatus(), a=OK)
    again = status(made, a=OK, b=OK, now=THEN)
    condition = again.conditions[0]
    assert (condition.last_update_time, condition.last_transition_time) == (THEN, FIRST)


def test_members_own_statuses_are_told_and_missed() -> None:
    made = status(FederatedStatus(), a=OK, b=OK, remote={"a": {"readyReplicas": 1}})
    assert made.conditions[0].reason == "CheckClusters"
    assert made.clusters[0].remote_status == {"readyReplicas": 1}
    well = status(made, a=OK, b=OK, remote={"a": {"readyReplicas": 1}, "b": {}}, now=THEN)
    assert well.conditions[0].status == "True"
