"""The stages of a rollout: which clusters belong to each, how many may change at once, what must hold in the end."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from atoll.api.durations import seconds
from atoll.api.editing import without
from atoll.api.intent import Content
from atoll.api.objects import GroupKind, Json, Manifest, ObjectId
from atoll.api.rollout import Check, Gates, Rollout, Stage
from atoll.plan.model import ClusterFacts
from atoll.plan.scalable import REPLICAS
from atoll.plan.targets import NoAnswerError, objection

EVERYONE = "all"
"""Name of the only stage, where none are given."""
QUARTER = "25%"
NO_STAGE = "no stage of spec.rollout.stages takes it: add it to one, or a last stage with all: true"

KUBERNETES_OWN = frozenset({"", "apps", "batch", "autoscaling", "policy", "extensions"})
WITH_PODS = frozenset(
    {
        GroupKind("", "Pod"),
        GroupKind("", "ReplicationController"),
        GroupKind("batch", "Job"),
        *(GroupKind("apps", kind) for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")),
    }
)


class Step(NamedTuple):
    """One stage, worked out: `limit` clusters may be in change at once; `alone`: one, until that is well."""

    name: str
    members: tuple[str, ...]
    limit: int
    alone: bool = False
    approval: bool = False
    healthy_for: float = 0.0
    check: Check | None = None
    pause: float = 0.0


def steps(
    rollout: Rollout, clusters: Mapping[str, ClusterFacts], *, quiet: bool
) -> tuple[tuple[Step, ...], dict[str, str]]:
    """The stages in order, and the clusters that belong to none or to several, with why.

    `quiet`: nothing that changes has a health to wait for.
    """
    if not rollout.stages:
        members = tuple(sorted(clusters))
        bold = quiet and rollout.max_unavailable is None
        limit = len(members) if bold else portion(rollout.max_unavailable, len(members))
        alone = not quiet and rollout.max_unavailable is None
        healthy_for, check = _gates(rollout.gates)
        return (Step(EVERYONE, members, limit, alone, healthy_for=healthy_for, check=check),), {}
    members_of, refused = _members(rollout.stages, clusters)
    return tuple(_step(stage, members_of[stage.name], rollout) for stage in rollout.stages), refused


def _step(stage: Stage, members: Sequence[str], rollout: Rollout) -> Step:
    wish = rollout.max_unavailable if stage.max_unavailable is None else stage.max_unavailable
    healthy_for, check = _gates(stage.gates or rollout.gates)
    return Step(
        stage.name,
        tuple(sorted(members)),
        portion(wish, len(members)),
        approval=stage.approval,
        healthy_for=healthy_for,
        check=check,
        pause=seconds(stage.pause) if stage.pause else 0.0,
    )


def _gates(gates: Gates | None) -> tuple[float, Check | None]:
    """Seconds for which a cluster must have been healthy, and what is asked in the end."""
    if gates is None:
        return 0.0, None
    return seconds(gates.healthy_for) if gates.healthy_for else 0.0, gates.check


def portion(wish: int | str | None, whole: int) -> int:
    """A number of clusters, at least 1; a share is rounded up."""
    wish = QUARTER if wish is None else wish
    if isinstance(wish, int):
        return max(1, wish)
    return max(1, -(-whole * int(wish.rstrip("%")) // 100))


def _members(
    stages: Sequence[Stage], clusters: Mapping[str, ClusterFacts]
) -> tuple[dict[str, list[str]], dict[str, str]]:
    found: dict[str, list[str]] = {stage.name: [] for stage in stages}
    refused: dict[str, str] = {}
    objections = [(stage, objection(stage)) for stage in stages]
    for name, facts in sorted(clusters.items()):
        try:
            meant = [stage for stage, object_to in objections if not stage.all and not object_to(facts)]
        except NoAnswerError as error:
            refused[name] = f"a stage's where: {error}"
            continue
        meant = meant or [stage for stage in stages if stage.all]
        if len(meant) == 1:
            found[meant[0].name].append(name)
        else:
            names = " and ".join(stage.name for stage in meant)
            refused[name] = f"the stages {names} overlap: both take it" if meant else NO_STAGE
    return found, refused


def quiet(before: Iterable[Content | None], after: Content) -> bool:
    """Whether nothing differs, from any of `before`, in an object whose health could tell of a mistake.

    An unknown content may differ in anything.
    """
    return all(content is not None and not _restless(content, after) for content in before)


def _restless(before: Content, after: Content) -> bool:
    if before.digest == after.digest:
        return False
    if before.differences != after.differences:
        return any(has_health(m.id) for m in after.manifests)
    old, new = ({m.id: m for m in content.manifests if has_health(m.id)} for content in (before, after))
    return old.keys() != new.keys() or any(_essence(old[key]) != _essence(new[key]) for key in old)


def has_health(about: ObjectId) -> bool:
    """Whether an object of this kind tells by its health that a change was a mistake: it has Pods, or is custom."""
    kind = about.group_kind
    return kind in WITH_PODS or (kind.group not in KUBERNETES_OWN and not kind.group.endswith(".k8s.io"))


def _essence(manifest: Manifest) -> Json:
    """Without replicas and what only describes it: neither makes new Pods of another kind."""
    body = without(manifest.body, REPLICAS)
    return {key: value for key, value in body.items() if key != "metadata"}
