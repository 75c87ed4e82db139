"""The one main function of planning."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from msgspec.structs import replace

from atoll.api.delivery import Delivery
from atoll.api.intent import Intent
from atoll.api.objects import NOTHING
from atoll.plan.carrying import Cargo, carried, rules_of, with_cargo
from atoll.plan.choose import Chosen, choose
from atoll.plan.differ import Renderer, Rendering, differing
from atoll.plan.divide import EVERY_OTHER, Division, Part, divide
from atoll.plan.eligible import NO_SUCH_CLUSTER, eligible
from atoll.plan.ground import Ground
from atoll.plan.holding import Held, hold
from atoll.plan.model import ClusterShare, Plan, Refusal, RefusedError, Snapshot, Verdict
from atoll.plan.staged import staged


def plan(intent: Intent, fleet: Snapshot) -> Plan:
    """Decide where `intent` goes and what each cluster gets now. Pure: same arguments, same plan.

    What can't be carried out on a cluster is a refusal there, and leaves that cluster as it is; the others go on.
    """
    return staged(intent, fleet, decide)


def decide(intent: Intent, fleet: Snapshot) -> Plan:
    """The same, as if every cluster got the newest at once."""
    able = eligible(intent, fleet)  # 1 who may, and why not
    chosen = choose(intent, able, fleet)  # 2 who should, and who has to leave
    going = {*chosen.leaving, *chosen.displaced}
    where = sorted(going.union(chosen.clusters)) if going else chosen.clusters
    differs, refused = differing(intent.differences, where, fleet)  # 3 which differences hold where
    division = _divide(intent, chosen.clusters, differs, fleet, refused)  # 4 how many each
    held = hold(intent, chosen, division, fleet)  # 5 what stays until others are ready
    state = carried(intent, held.parts, held.leaving, fleet)  # 6 what goes along
    renderer = Renderer(intent.manifests, intent.differences)
    rendered = _render(intent, renderer, differs, held.parts, refused)  # 7 what each gets
    rendered |= _laden(intent, rendered, state.cargo)
    placed = [name for name in where if name in held.parts or (name in refused and name in chosen.clusters)]
    return Plan(
        key=intent.key,
        verdicts=tuple(_verdicts(chosen, division, held).values()),
        shares=_shares(placed, chosen.staying, held, rendered, state.cargo),
        deliveries=_deliveries(intent, rendered, fleet),
        refusals={n: Refusal(n, refused[n].path, refused[n].message) for n in sorted(refused) if n in placed}
        or NOTHING,
        warnings=(
            *(*able.warnings, *chosen.warnings, *state.warnings),
            *(*_unknown_clusters(intent, fleet), *_without_effect(renderer)),
        ),
        short=chosen.short or division.short,
        brake=chosen.brake,
        waiting=held.waiting,
        due=min((time for time in (chosen.due, held.due) if time is not None), default=None),
        avoided=held.avoided or NOTHING,
        unreached=NOTHING,
        kept=NOTHING,
    )


def _verdicts(chosen: Chosen, division: Division, held: Held) -> dict[str, Verdict]:
    verdicts = dict(chosen.verdicts)
    for name in division.spared:
        verdicts[name] = Verdict(name, chosen=False, why=f"{verdicts[name].why}; no replicas are needed here")
    for name, why in held.leaving.items():
        verdicts[name] = Verdict(name, chosen=False, why=f"{why}; stays until others are ready")
    return verdicts


def _divide(
    intent: Intent,
    chosen: Sequence[str],
    differs: Mapping[str, Sequence[int]],
    fleet: Snapshot,
    refused: dict[str, RefusedError],
) -> Division:
    """The parts; none at all when the total can't be divided, which refuses every cluster."""
    scaling = {index for index, difference in enumerate(intent.differences) if difference.replicas}
    told_otherwise = {n for n in differs if not scaling.isdisjoint(differs[n])} if scaling else ()
    ground = Ground(intent, fleet, frozenset(told_otherwise))  # these numbers tell nothing of how it was divided
    try:
        return divide(intent.replicas, intent.manifests, chosen, ground)
    except RefusedError as error:
        refused.update(dict.fromkeys(chosen, error))
        return Division({})


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
    results: dict[object, Rendering | RefusedError] = {}  # of parts that are the very same, with the same differences
    alike = not intent.differences
    for name, part in parts.items():
        if name in refused:
            continue
        kind = id(part) if alike else (differs[name], id(part))
        result = results.get(kind)
        if result is None:
            result = NOTHING_LEFT if nothing else renderer.render(differs[name], part.numbers)
            results[kind] = result
        if isinstance(result, RefusedError):
            refused[name] = result
        else:
            rendered[name] = result
    return rendered


def _laden(intent: Intent, rendered: Mapping[str, Rendering], cargo: Mapping[str, Cargo]) -> dict[str, Rendering]:
    """The renderings of clusters that state is brought to."""
    rules = rules_of(intent)
    return {
        name: rendered[name]._replace(objects=with_cargo(rendered[name].objects, rules, brought.values))
        for name, brought in cargo.items()
        if name in rendered
    }


NOTHING_LEFT = RefusedError("spec", "no object is left: all would be deleted; allowEmpty: true says that this is meant")


def _shares(
    placed: Iterable[str],
    staying: Mapping[str, str],
    held: Held,
    rendered: Mapping[str, Rendering],
    cargo: Mapping[str, Cargo],
) -> dict[str, ClusterShare]:
    """Replicas as the objects have them in the end: a difference may have said otherwise than the division."""
    shares: dict[str, ClusterShare] = {}
    plain = not (staying or held.leaving or cargo)
    parts = held.parts
    for name in placed:
        if plain and name in rendered:
            (_, replicas, overridden), (_, why, most) = rendered[name], parts[name]
            if not overridden:
                plainest = not replicas and most is None
                shares[name] = _none(name, why) if plainest else ClusterShare(name, replicas, why, "", most, NOTHING)
                continue
        rendering, part, leaving = rendered.get(name), parts.get(name), held.leaving.get(name, "")
        if rendering is None or part is None:
            shares[name] = ClusterShare(name, {}, part.why if part else "", leaving)
        else:
            brought = cargo.get(name, EMPTY)
            along = f"{', '.join(sorted(brought.values))} came along from {brought.source}" if brought.values else ""
            number = f"{rendering.overridden} says so" if rendering.overridden else part.why
            why = "; ".join(word for word in (number, staying.get(name, ""), along) if word)
            shares[name] = ClusterShare(
                name, rendering.replicas, why, leaving, part.most, brought.values, brought.source
            )
    return shares


@lru_cache(maxsize=4096)
def _none(name: str, why: str) -> ClusterShare:
    """Of an application without replicas. Many have the same."""
    return ClusterShare(name, NOTHING, why, carried=NOTHING)


EMPTY = Cargo({}, "")


def _deliveries(intent: Intent, rendered: Mapping[str, Rendering], fleet: Snapshot) -> dict[str, Delivery]:
    """Clusters with the same objects get the same delivery, but for their names: it is made once and copied."""
    plain = Delivery(
        key=intent.key,
        uid=intent.uid,
        cluster="",
        revision=intent.revision,
        objects=(),
        adopt=intent.adopt,
        suspend=intent.suspend,
        allow_empty=intent.allow_empty,
        recreate=intent.recreate,
        retain=intent.retain,
        health=intent.health,
        manner=intent.manner,
        carry=rules_of(intent),
    )
    made: dict[int, Delivery] = {}
    deliveries: dict[str, Delivery] = {}
    for name, rendering in rendered.items():
        alike = made.get(id(rendering))
        if alike is None:
            alike = made[id(rendering)] = replace(plain, objects=rendering.objects)
        deliveries[name] = replace(alike, cluster=name)
    for name in rendered if fleet.hub else ():
        if fleet.clusters[name].uid == fleet.hub:
            adopt = intent.adopt or intent.manner.adopt_at_home
            deliveries[name] = replace(deliveries[name], adopt=adopt, protected=intent.templates)
    for name in intent.late.keys() & deliveries.keys():
        deliveries[name] = replace(deliveries[name], late=intent.late[name])
    return deliveries


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
