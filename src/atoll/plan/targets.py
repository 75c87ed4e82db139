"""Which clusters a placement or a difference means: all conditions that it gives must hold."""

from collections.abc import Callable

from atoll.api.expressions import ExpressionError
from atoll.api.placement import ClusterTarget
from atoll.api.selectors import mismatch
from atoll.plan.model import ClusterFacts
from atoll.plan.where import Question, question


class NoAnswerError(Exception):
    """Whether a cluster is meant can't be told; the text says why."""


def says_nothing(target: ClusterTarget) -> bool:
    """No condition at all, and not `all: true`: means no cluster, so that a forgotten field never means every one."""
    return not (target.clusters or target.selector is not None or target.where or target.all)


def objection(target: ClusterTarget) -> Callable[[ClusterFacts], str]:
    """A function that says why a cluster is not meant, in words, or "" when it is.

    It raises `NoAnswerError` for a cluster that all else means when `where` doesn't compile.
    """
    if says_nothing(target):
        return lambda _: "no condition is given"
    names, selector = frozenset(target.clusters), target.selector
    ask = _question(target.where) if target.where else None

    def object_to(facts: ClusterFacts) -> str:
        if names and facts.name not in names:
            return "not named"
        if selector is not None and (why := mismatch(selector, facts.labels)):
            return why
        return ask(facts) if ask is not None else ""

    return object_to


def _question(where: str) -> Question:
    try:
        return question(where)
    except ExpressionError as error:
        complaint = str(error)

    def no_answer(_: ClusterFacts) -> str:
        raise NoAnswerError(complaint)

    return no_answer


def in_words(target: ClusterTarget) -> str:
    """What a cluster that is meant fulfils, in words."""
    said = [
        "named" if target.clusters else "",
        "labels match" if target.selector is not None else "",
        "where holds" if target.where else "",
    ]
    return ", ".join(word for word in said if word) or "all clusters"
