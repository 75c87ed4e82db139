"""Who may get the application, and why not: one verdict for each cluster.

What is already there is treated more gently than what would be new: a cordon, a NoSchedule taint, a lost connection, a
neighbour or an expression without an answer keep an application where it is. Only the placement itself, or a
NoExecute taint, moves it.
"""

from collections.abc import Callable, Container
from functools import lru_cache
from typing import NamedTuple

from atoll.api.editing import found
from atoll.api.intent import Intent
from atoll.api.objects import GroupKind
from atoll.api.placement import ClusterTarget
from atoll.plan.affinity import Nearness
from atoll.plan.model import ClusterFacts, Snapshot, Verdict
from atoll.plan.remembered import troubled
from atoll.plan.taints import in_words as taint_in_words
from atoll.plan.taints import tolerated_until, untolerated
from atoll.plan.targets import NoAnswerError, in_words, objection, objections, says_nothing

NO_SUCH_CLUSTER = "no such cluster (yet)"


_verdict = lru_cache(maxsize=4096)(Verdict)
"""Of most clusters the same is said to many applications."""


class Eligible(NamedTuple):
    """A verdict for every cluster and every name that is no cluster, by name.

    tiers: of each cluster that may have it, how many groups of `fallback` come before its own; 0 is the placement.
    due: when a taint is tolerated no longer, epoch seconds.
    """

    verdicts: dict[str, Verdict]
    tiers: dict[str, int]
    warnings: list[str]
    due: float | None = None


class _Hindrance(NamedTuple):
    """What speaks against a cluster that the placement means, and whether it decides; or for how long it doesn't."""

    words: str = ""
    forbids: bool = False
    due: float | None = None


_NONE = _Hindrance()


def eligible(intent: Intent, fleet: Snapshot) -> Eligible:
    """Judge every cluster by itself; how many of those that may have it do is somebody else's to say."""
    placement, before = intent.placement, fleet.previous.get(intent.key, {})
    judge = _Judge(intent, fleet)
    if says_nothing(placement):
        judge.warnings.append("spec.placement gives no condition: name clusters, a selector, where, or all: true")
    verdicts = judge.all(fleet, before)
    named = dict.fromkeys(placement.clusters, "spec.placement.clusters")
    for index, target in enumerate(placement.fallback):
        named |= {name: f"spec.placement.fallback[{index}].clusters" for name in target.clusters if name not in named}
    for name in sorted(named.keys() - verdicts.keys()):
        verdicts[name] = Verdict(name, chosen=False, why=NO_SUCH_CLUSTER)
        judge.warnings.append(f"{named[name]}: {name}: {NO_SUCH_CLUSTER}")
    return Eligible(verdicts, judge.tiers, judge.warnings, min(judge.times, default=None))


class _Judge:
    """Judges clusters for one application; what doesn't depend on the cluster is prepared once."""

    def __init__(self, intent: Intent, fleet: Snapshot) -> None:
        self._intent = intent
        self._now = fleet.now
        self._avoided = fleet.avoided.get(intent.key, {})
        self._targets = [_Target(intent.placement, 0)]
        self._targets += [_Target(target, tier) for tier, target in enumerate(intent.placement.fallback, 1)]
        placement = intent.placement
        self._near = Nearness(placement, fleet) if placement.affinity or placement.anti_affinity else None
        self._kinds = kinds_needed(intent)
        self.tiers: dict[str, int] = {}
        self.warnings: list[str] = []
        self.times: list[float] = []

    def all(self, fleet: Snapshot, before: Container[str]) -> dict[str, Verdict]:
        """The verdicts in the order of names. `before`: where the application is."""
        clusters, judge, verdicts = fleet.clusters, self.judge, dict[str, Verdict]()
        first, no_other = self._targets[0], len(self._targets) == 1
        try:
            against = objections(self._intent.placement, clusters)
        except NoAnswerError:
            return {name: judge(clusters[name], name in before) for name in sorted(clusters)}
        unwell, unwelcome, named = troubled(clusters), self._unwelcome, first.named
        for name, why in against.items():
            if why and no_other:
                verdicts[name] = Verdict(name, False, why)
            elif (
                not why  # so it is with nearly all
                and name not in unwell
                and (name in before or not unwelcome(clusters[name], named=named))
            ):
                self.tiers[name] = first.tier
                verdicts[name] = _verdict(name, True, first.meant)
            else:
                verdicts[name] = judge(clusters[name], name in before)
        return verdicts

    def judge(self, facts: ClusterFacts, there: bool) -> Verdict:
        why_not = ""
        for target in self._targets:
            try:
                why = target.object_to(facts)
            except NoAnswerError as error:
                self._once(f"{target.path}.where: {error}")
                if there:
                    self.tiers[facts.name] = target.tier
                return Verdict(facts.name, there, f"{'stays: ' if there else ''}where has no answer: {error}")
            if not why:
                if facts.is_well and (there or not self._unwelcome(facts, named=target.named)):
                    self.tiers[facts.name] = target.tier
                    return Verdict(facts.name, True, target.meant)
                return self._meant(facts, target, there=there)
            why_not = why_not or why
        return Verdict(facts.name, chosen=False, why=why_not)

    def _meant(self, facts: ClusterFacts, target: "_Target", *, there: bool) -> Verdict:
        hindrance = self._hindrance(facts, there=there, named=target.named)
        if hindrance.forbids:
            return Verdict(facts.name, chosen=False, why=hindrance.words)
        if hindrance.due is not None:
            self.times.append(hindrance.due)
        self.tiers[facts.name] = target.tier
        return Verdict(facts.name, True, f"{target.meant}; {hindrance.words}" if hindrance.words else target.meant)

    def _hindrance(self, facts: ClusterFacts, *, there: bool, named: bool) -> _Hindrance:
        if not there and (why := self._unwelcome(facts, named=named)):
            return _Hindrance(why, forbids=True)
        if facts.is_well:
            return _NONE
        tainted = self._tainted(facts, there=there)
        if tainted.forbids:
            return tainted
        remarks = [tainted.words] if tainted.words else []
        if facts.cordoned:
            if not there:
                return _Hindrance("cordoned", forbids=True)
            remarks.append("stays although cordoned")
        if not facts.ready:
            if not there and not named:
                return _Hindrance("not ready", forbids=True)
            remarks.append("not ready, delivery waits")
        return _Hindrance("; ".join(remarks), due=tainted.due)

    def _unwelcome(self, facts: ClusterFacts, *, named: bool) -> str:
        """What keeps a newcomer away, and would not move who is there."""
        if why := self._avoided.get(facts.name):
            return f"left it: {why}"
        if facts.kinds is not None and not named and (missing := self._kinds - facts.kinds):
            return f"does not serve {min(map(str, missing))}"
        return self._near.objection(facts) if self._near is not None else ""

    def _tainted(self, facts: ClusterFacts, *, there: bool) -> _Hindrance:
        remarks, times = [], []
        tolerations = self._intent.tolerations
        for taint in untolerated(facts.taints, tolerations):
            text = f"taint {taint_in_words(taint)} is not tolerated"
            if taint.effect == "NoExecute" or (taint.effect == "NoSchedule" and not there):
                return _Hindrance(text, forbids=True)
            remarks.append(f"stays although {text}" if taint.effect == "NoSchedule" else f"although {text}")
        for taint in facts.taints:
            end = tolerated_until(taint, tolerations, facts.tainted_since.get(taint_in_words(taint), self._now))
            if end is None:
                continue
            if not there or self._now >= end:
                return _Hindrance(f"taint {taint_in_words(taint)} is tolerated for a time only", forbids=True)
            times.append(end)
        return _Hindrance("; ".join(remarks), due=min(times, default=None))

    def _once(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)


class _Target:
    """The placement, or one group of its fallback."""

    def __init__(self, target: ClusterTarget, tier: int) -> None:
        self.tier = tier
        self.path = f"spec.placement.fallback[{tier - 1}]" if tier else "spec.placement"
        self.meant = f"fallback {tier}: {in_words(target)}" if tier else in_words(target)
        self.named = bool(target.clusters)
        self.object_to: Callable[[ClusterFacts], str] = objection(target)


def kinds_needed(intent: Intent) -> frozenset[GroupKind]:
    """The kinds that a cluster must serve: those of the manifests, but for what they themselves define."""
    defined = set()
    for manifest in intent.manifests:
        if manifest.id.kind == "CustomResourceDefinition":
            body = manifest.body
            defined.add(GroupKind(str(found(body, ("spec", "group"))), str(found(body, ("spec", "names", "kind")))))
    return frozenset(m.id.group_kind for m in intent.manifests) - defined
