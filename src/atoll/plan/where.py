"""CEL expressions over a cluster, each answered once for a cluster that stays as it is.

An evaluation costs about 10 µs, so a thousand clusters would cost a plan 10 ms; remembered, they cost a tenth of a
millisecond. The memory is no state of planning: it only repeats what the expression would say again.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from atoll.api.expressions import Expression, ExpressionError, TooMuchError
from atoll.plan.model import ClusterFacts

MOST_CLUSTERS = 10_000

Question = Callable[[ClusterFacts], str]
"""Says why the expression does not hold for a cluster; "" when it holds."""


@lru_cache(maxsize=512)
def question(text: str) -> Question:
    """The expression as a question with a memory. Raises `ExpressionError` when it doesn't compile; the question itself
    `TooMuchError`, of a cluster of which it has too much to compute.

    Where it fails, as on a label that the cluster doesn't have, it does not hold.
    """
    expression = Expression.compile(text, "cluster")
    no = f"where does not hold: {text}"
    answers: dict[str, tuple[ClusterFacts, str]] = {}

    def ask(facts: ClusterFacts) -> str:
        known = answers.get(facts.name)
        if known is not None and _same(known[0], facts):
            return known[1]
        try:  # what is too much to compute says nothing of it, and passes through
            answer = "" if expression.matches(cluster=variables(facts)) else no
        except TooMuchError:
            raise
        except ExpressionError as error:
            answer = f"where does not hold: {error}"
        if len(answers) >= MOST_CLUSTERS:
            answers.clear()
        answers[facts.name] = (facts, answer)
        return answer

    return ask


def variables(facts: ClusterFacts) -> dict[str, Any]:
    """What `cluster` is in an expression."""
    return {
        "name": facts.name,
        "provider": facts.provider,
        "region": facts.region,
        "zone": facts.zone,
        "version": facts.version,
        "labels": facts.labels,
    }


def _same(known: ClusterFacts, facts: ClusterFacts) -> bool:
    """Whether an expression sees no difference. What a cluster has free changes often, and is not seen."""
    return known is facts or variables(known) == variables(facts)
