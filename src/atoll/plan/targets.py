"""Which clusters a placement or a difference means: all conditions that it gives must hold."""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial

import msgspec

from atoll.api.common import LabelSelector
from atoll.api.expressions import ExpressionError, TooMuchError
from atoll.api.placement import ClusterTarget
from atoll.api.selectors import mismatch
from atoll.plan.model import ClusterFacts
from atoll.plan.remembered import OfFleet
from atoll.plan.where import MOST_CLUSTERS, Question, question


class NoAnswerError(Exception):
    """Whether a cluster is meant can't be told; the text says why."""


def says_nothing(target: ClusterTarget) -> bool:
    """No condition at all, and not `all: true`: means no cluster, so that a forgotten field never means every one."""
    return not (target.clusters or target.selector is not None or target.where or target.all)


def objection(target: ClusterTarget) -> Callable[[ClusterFacts], str]:
    """A function that says why a cluster is not meant, in words, or "" when it is.

    It raises `NoAnswerError` for a cluster that all else means when `where` doesn't compile, or is too much.
    """
    if says_nothing(target):
        return lambda _: "no condition is given"
    names, selector, ask = frozenset(target.clusters), target.selector, None
    if selector is not None:
        ask = _by_label(msgspec.json.encode(selector))
    if target.where:
        ask = _both(ask, _question(target.where))
    if not names:
        return ask or _nothing

    def object_to(facts: ClusterFacts) -> str:
        if facts.name not in names:
            return "not named"
        return ask(facts) if ask is not None else ""

    return object_to


def objections(target: ClusterTarget, clusters: Mapping[str, ClusterFacts]) -> Mapping[str, str]:
    """What `objection` says of each cluster, in the order of names. Raises `NoAnswerError` where it would.

    Remembered while `clusters` is the very same: many Applications ask the same of a fleet that seldom changes. Whoever
    names clusters asks for itself.
    """
    if target.clusters:
        return _ask_all(target, clusters)
    asked = msgspec.json.encode((target.selector, target.where, target.all))
    return _OBJECTIONS.answer(asked, clusters, lambda: _ask_all(target, clusters))


_OBJECTIONS: OfFleet[bytes, Mapping[str, str]] = OfFleet(64)


def _ask_all(target: ClusterTarget, clusters: Mapping[str, ClusterFacts]) -> dict[str, str]:
    object_to = objection(target)
    return {name: object_to(clusters[name]) for name in sorted(clusters)}


def _nothing(_: ClusterFacts) -> str:
    return ""


def _both(first: Question | None, second: Question) -> Question:
    return second if first is None else lambda facts: first(facts) or second(facts)


@lru_cache(maxsize=256)
def _by_label(text: bytes) -> Question:
    """A selector as a question that remembers its answers: many Applications ask the same of the same labels."""
    selector = msgspec.json.decode(text, type=LabelSelector)
    answers: dict[str, tuple[Mapping[str, str], str]] = {}

    def ask(facts: ClusterFacts) -> str:
        known = answers.get(facts.name)
        if known is not None and known[0] is facts.labels:
            return known[1]
        answer = mismatch(selector, facts.labels)
        if len(answers) >= MOST_CLUSTERS:
            answers.clear()
        answers[facts.name] = (facts.labels, answer)
        return answer

    return ask


def _question(where: str) -> Question:
    try:
        ask = question(where)
    except ExpressionError as error:
        complaint = str(error)
    else:
        return partial(_answer, ask)

    def no_answer(_: ClusterFacts) -> str:
        raise NoAnswerError(complaint)

    return no_answer


def _answer(ask: Question, facts: ClusterFacts) -> str:
    try:
        return ask(facts)
    except TooMuchError as error:
        raise NoAnswerError(str(error)) from None


def in_words(target: ClusterTarget) -> str:
    """What a cluster that is meant fulfils, in words."""
    said = [
        "named" if target.clusters else "",
        "labels match" if target.selector is not None else "",
        "where holds" if target.where else "",
    ]
    return ", ".join(word for word in said if word) or "all clusters"
