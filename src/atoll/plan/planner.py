"""The one main function of planning."""

from collections.abc import Iterable, Mapping, Sequence

from atoll.api.delivery import Delivery
from atoll.api.intent import Intent
from atoll.plan.differ import Renderer, Rendering, differing
from atoll.plan.divide import EVERY_OTHER, Part, divide
from atoll.plan.eligible import NO_SUCH_CLUSTER, eligible
from atoll.plan.model import ClusterShare, Plan, Refusal, RefusedError, Snapshot


def plan(intent: Intent, fleet: Snapshot) -> Plan:
    """Decide where `intent` goes and what each cluster gets. Pure: same arguments, same plan.

    What can't be carried out on a cluster is a refusal there, and leaves that cluster as it is; the others go on.
    """
    verdicts, warnings = eligible(intent, fleet)  # 1 who may, and why not
    chosen = [name for name, verdict in verdicts.items() if verdict.chosen]  # 2 who should: all who may
    differs, refused = differing(intent.differences, chosen, fleet)  # 3 which differences hold where
    parts = _divide(intent, chosen, differs, fleet, refused)  # 4 how many each
    renderer = Renderer(intent.manifests, intent.differences)
    rendered = _render(intent, renderer, differs, parts, refused)  # 5 what each gets
    return Plan(
        key=intent.key,
        verdicts=tuple(verdicts.values()),
        shares=_shares(chosen, parts, rendered),
        deliveries=_deliveries(intent, rendered, fleet),
        refusals={name: Refusal(name, refused[name].path, refused[name].message) for name in sorted(refused)},
        warnings=(*warnings, *_unknown_clusters(intent, fleet), *_without_effect(renderer)),
    )


def _divide(
    intent: Intent,
    chosen: Sequence[str],
    differs: Mapping[str, Sequence[int]],
    fleet: Snapshot,
    refused: dict[str, RefusedError],
) -> dict[str, Part]:
    """The parts; none at all when the total can't be divided, which refuses every cluster."""
    previous = fleet.previous.get(intent.key, {})
    scaling = {index for index, difference in enumerate(intent.differences) if difference.replicas}
    if scaling:  # a number that a difference set tells nothing of how the total was divided
        previous = {name: n for name, n in previous.items() if scaling.isdisjoint(differs.get(name, ()))}
    try:
        return divide(intent.replicas, intent.manifests, chosen, previous)
    except RefusedError as error:
        refused.update(dict.fromkeys(chosen, error))
        return {}


def _render(
    intent: Intent,
    renderer: Renderer,
    differs: Mapping[str, tuple[int, ...]],
    parts: Mapping[str, Part],
    refused: dict[str, RefusedError],
) -> dict[str, Rendering]:
    """What each cluster gets, where nothing is refused."""
    nothing = not intent.manifests and not intent.allow_empty
    rendered: dict[str, Rendering] = {}
    for name, part in parts.items():
        if name in refused:
            continue
        result = NOTHING_LEFT if nothing else renderer.render(differs[name], part.numbers)
        if isinstance(result, RefusedError):
            refused[name] = result
        else:
            rendered[name] = result
    return rendered


NOTHING_LEFT = RefusedError("spec", "no object is left: all would be deleted; allowEmpty: true says that this is meant")


def _shares(
    chosen: Iterable[str], parts: Mapping[str, Part], rendered: Mapping[str, Rendering]
) -> dict[str, ClusterShare]:
    """Replicas as the objects have them in the end: a difference may have said otherwise than the division."""
    shares: dict[str, ClusterShare] = {}
    for name in chosen:
        rendering, part = rendered.get(name), parts.get(name)
        if rendering is None or part is None:
            shares[name] = ClusterShare(name, {}, part.why if part else "")
        else:
            why = f"{rendering.overridden} says so" if rendering.overridden else part.why
            shares[name] = ClusterShare(name, rendering.replicas, why)
    return shares


def _deliveries(intent: Intent, rendered: Mapping[str, Rendering], fleet: Snapshot) -> dict[str, Delivery]:
    return {
        name: Delivery(
            key=intent.key,
            uid=intent.uid,
            cluster=name,
            revision=intent.revision,
            objects=rendering.objects,
            adopt=intent.adopt,
            suspend=intent.suspend,
            allow_empty=intent.allow_empty,
            recreate=intent.recreate,
            retain=intent.retain,
            health=intent.health,
            protected=intent.templates if fleet.hub and fleet.clusters[name].uid == fleet.hub else frozenset(),
        )
        for name, rendering in rendered.items()
    }


def _unknown_clusters(intent: Intent, fleet: Snapshot) -> list[str]:
    """Names that are no cluster: a slip, or a cluster that GitOps brings later. The placement's own have verdicts."""
    named = [(f"spec.differences[{i}].clusters", d.clusters) for i, d in enumerate(intent.differences)]
    if intent.replicas is not None:
        named.append(("spec.replicas.weights", tuple(intent.replicas.weights)))
        workloads = sorted(intent.replicas.workloads.items())
        named += [(f"spec.replicas.workloads[{workload}].weights", tuple(own.weights)) for workload, own in workloads]
    return [
        f"{path}: {name}: {NO_SUCH_CLUSTER}"
        for path, names in named
        for name in sorted(set(names) - fleet.clusters.keys() - {EVERY_OTHER})
    ]


def _without_effect(renderer: Renderer) -> list[str]:
    return [f"{path} meets no object of the application" for path in renderer.without_effect()]
