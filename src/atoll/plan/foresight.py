"""What a wish comes to on the clusters that there are. Warnings only: other clusters may come, and labels change."""

from collections.abc import Iterator, Mapping

from atoll.api.application import ApplicationSpec
from atoll.api.issues import Issue, warning
from atoll.plan.model import ClusterFacts
from atoll.plan.stages import steps
from atoll.plan.targets import NoAnswerError, objection
from atoll.plan.topology import group_of

MOST_NAMED = 5


def misfits(spec: ApplicationSpec, clusters: Mapping[str, ClusterFacts]) -> Iterator[Issue]:
    """Of an Application that is valid: what can be told only by the clusters' own labels and places."""
    placement = spec.placement
    if placement is None:
        return
    try:
        objections = [objection(target) for target in (placement, *placement.fallback)]
        meant = {n: f for n, f in clusters.items() if any(not object_to(f) for object_to in objections)}
    except NoAnswerError:
        return
    for index, rule in enumerate(placement.spread):
        if meant and not any(group_of(rule.by)(facts) for facts in meant.values()):
            those = ", ".join(sorted(meant)[:MOST_NAMED])
            yield warning(f"spec.placement.spread[{index}].by", f"no cluster that is meant has a {rule.by}: {those}")
    if spec.rollout is None:
        return
    _, refused = steps(spec.rollout, meant, quiet=False)
    for why in sorted(set(refused.values())):
        names = sorted(name for name, said in refused.items() if said == why)
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        yield warning("spec.rollout.stages", f"{', '.join(names[:MOST_NAMED])}{more}: {why}")
