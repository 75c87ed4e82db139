"""Who may get the application, and why not: one verdict for each cluster.

What is already there is treated more gently than what would be new: a cordon, a NoSchedule taint, a lost connection or
an expression that doesn't compile keep an application where it is. Only the placement itself, or a NoExecute taint,
moves it.
"""

from collections.abc import Callable, Iterable

from atoll.api.intent import Intent
from atoll.api.placement import ClusterTarget
from atoll.plan.model import ClusterFacts, Snapshot, Verdict
from atoll.plan.taints import in_words as taint_in_words
from atoll.plan.taints import untolerated
from atoll.plan.targets import NoAnswerError, in_words, objection, says_nothing

NO_SUCH_CLUSTER = "no such cluster (yet)"


def eligible(intent: Intent, fleet: Snapshot) -> tuple[dict[str, Verdict], list[str]]:
    """A verdict for every cluster of the fleet and every name that is no cluster, by name; and warnings."""
    placement, before = intent.placement, fleet.previous.get(intent.key, {})
    warnings: list[str] = []
    if says_nothing(placement):
        warnings.append("spec.placement gives no condition: name clusters, a selector, where, or all: true")
    judge = _judge(intent, placement, warnings)
    verdicts = {facts.name: judge(facts, facts.name in before) for facts in _by_name(fleet)}
    for name in sorted(set(placement.clusters) - verdicts.keys()):
        verdicts[name] = Verdict(name, chosen=False, why=NO_SUCH_CLUSTER)
        warnings.append(f"spec.placement.clusters: {name}: {NO_SUCH_CLUSTER}")
    return verdicts, warnings


def _by_name(fleet: Snapshot) -> Iterable[ClusterFacts]:
    return [fleet.clusters[name] for name in sorted(fleet.clusters)]


def _judge(intent: Intent, placement: ClusterTarget, warnings: list[str]) -> Callable[[ClusterFacts, bool], Verdict]:
    """The function that judges one cluster, given whether the application is there already."""
    object_to, meant, named = objection(placement), in_words(placement), bool(placement.clusters)

    def judge(facts: ClusterFacts, there: bool) -> Verdict:
        try:
            why_not = object_to(facts)
        except NoAnswerError as error:
            _once(warnings, f"spec.placement.where: {error}")
            return Verdict(facts.name, there, f"{'stays: ' if there else ''}where does not compile: {error}")
        if why_not:
            return Verdict(facts.name, chosen=False, why=why_not)
        if facts.ready and not facts.cordoned and not facts.taints:
            return Verdict(facts.name, chosen=True, why=meant)
        hindrance, forbidden = _hindrance(intent, facts, there=there, named=named)
        if forbidden:
            return Verdict(facts.name, chosen=False, why=hindrance)
        return Verdict(facts.name, chosen=True, why=f"{meant}; {hindrance}" if hindrance else meant)

    return judge


def _hindrance(intent: Intent, facts: ClusterFacts, *, there: bool, named: bool) -> tuple[str, bool]:
    """What speaks against a cluster that the placement means, and whether it decides."""
    remarks = []
    for taint in untolerated(facts.taints, intent.tolerations):
        text = f"taint {taint_in_words(taint)} is not tolerated"
        if taint.effect == "NoExecute" or (taint.effect == "NoSchedule" and not there):
            return text, True
        remarks.append(f"stays although {text}" if taint.effect == "NoSchedule" else f"although {text}")
    if facts.cordoned:
        if not there:
            return "cordoned", True
        remarks.append("stays although cordoned")
    if not facts.ready:
        if not there and not named:
            return "not ready", True
        remarks.append("not ready, delivery waits")
    return "; ".join(remarks), False


def _once(warnings: list[str], warning: str) -> None:
    if warning not in warnings:
        warnings.append(warning)
