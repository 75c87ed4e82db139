"""Federation v1's dialect: objects of Kubernetes' own kinds on the hub, distributed as their annotations say.

`replica-set-preferences`, `deployment-preferences` and `job-preferences` divide a workload; `cluster-selector` chooses
the clusters. Releases had them under two domains; both are read. What an object doesn't say is as it was there: all
clusters, and a workload's replicas divided evenly.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from atoll.api.common import Base, LabelSelector, SelectorRequirement
from atoll.api.differences import Difference, Patch, Target
from atoll.api.failover import Failover
from atoll.api.intent import Intent, Revision
from atoll.api.objects import GroupKind, Json, Key, manifest
from atoll.api.placement import Placement
from atoll.api.replicas import ReplicaLimits, Replicas
from atoll.intake.native import template

DOMAINS = ("federation.kubernetes.io/", "federation.alpha.kubernetes.io/")
SELECTOR = "cluster-selector"
PREFERENCES = {
    GroupKind("apps", "ReplicaSet"): "replica-set-preferences",
    GroupKind("apps", "Deployment"): "deployment-preferences",
    GroupKind("batch", "Job"): "job-preferences",
}
JOB = GroupKind("batch", "Job")
AT_HOME = "federation.kubernetes.io/federation-control-plane=true"
"""A cluster-selector that keeps an object in the control plane."""
ANNOTATION_STATUS = "atoll.dev/federation-status"
NOWHERE = Placement(where="false")
LOST_AFTER = "60s"
"""How long Federation v1 waited for a cluster before its replicas went elsewhere."""
EVERY_OTHER = "*"

_EXPRESSIONS = 32
_IN = {"in": "In", "notin": "NotIn", "exists": "Exists", "!": "DoesNotExist", "doesnotexist": "DoesNotExist"}
_IS = {"=": "In", "==": "In", "!=": "NotIn"}
_COMPARED = {"gt": ">", ">": ">", "lt": "<", "<": "<"}


class AnnotationError(Exception):
    """An annotation can't be read: which, and why."""

    def __init__(self, annotation: str, message: str) -> None:
        super().__init__(f"{annotation}: {message}")
        self.path = f"metadata.annotations[{annotation}]"
        self.message = message


Count = Annotated[int, Meta(ge=0, le=1_000_000)]


class ClusterPreference(Base, frozen=True):
    """What one cluster may get."""

    min_replicas: Count = 0
    max_replicas: Count | None = None
    weight: Count = 0


class Preferences(Base, frozen=True):
    """How a workload is divided. Without `clusters`, all are alike."""

    rebalance: bool = False
    clusters: dict[str, ClusterPreference] = {}


class _Requirement(Base, frozen=True):
    key: Annotated[str, Meta(min_length=1, max_length=317)]
    operator: str
    values: tuple[str, ...] | None = ()


def concerned(annotations: Mapping[str, str], kind: GroupKind) -> bool:
    """Whether an object says anything of Federation v1's."""
    words = (SELECTOR, PREFERENCES.get(kind, SELECTOR))
    said = [annotations[domain + word] for word in words for domain in DOMAINS if domain + word in annotations]
    return bool(said) and AT_HOME not in said


def placement(annotations: Mapping[str, str]) -> Placement:
    """Which clusters are meant. Raises AnnotationError."""
    name, text = _annotation(annotations, SELECTOR)
    if not name:
        return Placement(all=True)
    requirements: tuple[_Requirement, ...] = _parsed(name, text, tuple[_Requirement, ...])
    expressions: list[SelectorRequirement] = []
    comparisons: list[str] = []
    for index, requirement in enumerate(requirements):
        word, values = requirement.operator.lower(), requirement.values or ()
        at = f"[{index}]"
        if word in _COMPARED:
            comparisons.append(_comparison(name, at, requirement.key, _COMPARED[word], values))
        elif word in _IS and len(values) != 1:
            raise AnnotationError(name, f"{at}.values: operator {requirement.operator} takes exactly one")
        elif word in _IS or word in _IN:
            expressions.append(_expression(name, at, requirement, (_IS | _IN)[word]))
        else:
            raise AnnotationError(name, f"{at}.operator: there is no {requirement.operator!r}")
    if len(expressions) > _EXPRESSIONS:
        raise AnnotationError(name, f"{len(expressions)} requirements are too many: at most {_EXPRESSIONS}")
    if not expressions and not comparisons:
        return Placement(all=True)
    selector = LabelSelector(match_expressions=tuple(expressions)) if expressions else None
    return Placement(selector=selector, where=" && ".join(comparisons) or None)


def preferences(annotations: Mapping[str, str], kind: GroupKind) -> Preferences:
    """How a workload of `kind` is divided. Raises AnnotationError."""
    name, text = _annotation(annotations, PREFERENCES[kind])
    if not name:
        return Preferences()
    found: Preferences = _parsed(name, text, Preferences)
    for cluster, one in found.clusters.items():
        if one.max_replicas is not None and one.max_replicas < one.min_replicas:
            raise AnnotationError(name, f"clusters[{cluster}]: maxReplicas is below minReplicas")
    return found


def translate(live: Json, key: Key) -> Intent:
    """What an object that is `concerned` asks for; a Job's shares are to be added. Raises AnnotationError."""
    body, uid = _template(live), str(live["metadata"].get("uid", ""))
    made = manifest(body)
    annotations, kind = live["metadata"].get("annotations") or {}, made.id.group_kind
    where = placement(annotations)
    replicas, failover = None, None
    if kind in PREFERENCES:
        wish = preferences(annotations, kind)
        failover = Failover(after=LOST_AFTER, return_="rebalance" if wish.rebalance else "stay")
        if kind != JOB:
            replicas = _divided(body, wish)
    return Intent(
        key=key,
        uid=uid,
        revision=Revision(0, "", 0),
        manifests=(made,),
        placement=where,
        replicas=replicas,
        failover=failover,
        adopt=True,
        templates=frozenset({made.id}),
    )


def withdrawn(live: Json, key: Key) -> Intent:
    """An object that says nothing any longer: it is to be nowhere."""
    made = manifest(_template(live))
    return Intent(
        key=key,
        uid=str(live["metadata"].get("uid", "")),
        revision=Revision(0, "", 0),
        manifests=(made,),
        placement=NOWHERE,
        allow_empty=True,
        templates=frozenset({made.id}),
    )


class JobShare(msgspec.Struct, frozen=True):
    """What one cluster gets of a Job; `completions` is None of one that says nothing of them."""

    parallelism: int
    completions: int | None = None


Divide = Callable[[int, Mapping[str, tuple[int, int, int | None]]], Mapping[str, int]]
"""Divides a total among clusters, of each of which weight, least and most are given: KubeFed's algorithm."""


def job_shares(live: Json, clusters: tuple[str, ...], divide: Divide) -> dict[str, JobShare]:
    """What each of `clusters` gets of a Job: first of its parallelism, by all that is preferred; then of its
    completions, by weight alone, among those that run any. Raises AnnotationError.
    """
    wish = preferences(live["metadata"].get("annotations") or {}, JOB)
    spec = live.get("spec") or {}
    parallelism, completions = spec.get("parallelism"), spec.get("completions")
    asked = {name: _preferred(wish, name) for name in clusters}
    whole = {n: (p.weight, p.min_replicas, p.max_replicas) for n, p in asked.items() if p is not None}
    at_a_time = divide(1 if parallelism is None else int(parallelism), whole)
    running = {name: (whole[name][0], 0, None) for name, number in at_a_time.items() if number > 0}
    done: Mapping[str, int] = divide(int(completions), running) if completions is not None else {}
    return {name: JobShare(at_a_time[name], done.get(name)) for name in sorted(running)}


def with_shares(intent: Intent, shares: Mapping[str, JobShare]) -> Intent:
    """The Job, in the clusters that run any of it, with what each does."""
    if not shares:
        return msgspec.structs.replace(intent, placement=NOWHERE, allow_empty=True)
    target = Target(kind="Job", name=intent.manifests[0].id.name)
    alike: dict[JobShare, list[str]] = {}
    for name, share in shares.items():
        alike.setdefault(share, []).append(name)
    differences = tuple(Difference(clusters=tuple(names), patches=_patches(target, s)) for s, names in alike.items())
    return msgspec.structs.replace(intent, placement=Placement(clusters=tuple(shares)), differences=differences)


def _patches(target: Target, share: JobShare) -> tuple[Patch, ...]:
    wanted = {"/spec/parallelism": share.parallelism, "/spec/completions": share.completions}
    return tuple(Patch(target, "add", path, number) for path, number in wanted.items() if number is not None)


def _template(live: Json) -> Json:
    """As members get it: without what only concerns its distribution."""
    body = template(live)
    annotations = (body.get("metadata") or {}).get("annotations") or {}
    kept = {k: v for k, v in annotations.items() if not k.startswith(DOMAINS) and k != ANNOTATION_STATUS}
    metadata = {k: v for k, v in body["metadata"].items() if k != "annotations"}
    return body | {"metadata": metadata | ({"annotations": kept} if kept else {})}


def _divided(body: Json, wish: Preferences) -> Replicas:
    total = (body.get("spec") or {}).get("replicas")
    limits = {name: ReplicaLimits(one.min_replicas, one.max_replicas) for name, one in wish.clusters.items()}
    return Replicas(
        total=1 if total is None else int(total),
        divide="kubefed",
        weights={name: one.weight for name, one in wish.clusters.items()},
        limits=limits,
        rebalance=wish.rebalance,
    )


def _preferred(wish: Preferences, name: str) -> ClusterPreference | None:
    if not wish.clusters:
        return ClusterPreference(weight=1)
    return wish.clusters.get(name, wish.clusters.get(EVERY_OTHER))


def _annotation(annotations: Mapping[str, str], word: str) -> tuple[str, str]:
    """Its full name and text, ("", "") when there is none."""
    found = [(domain + word, annotations[domain + word]) for domain in DOMAINS if domain + word in annotations]
    if len({text for _, text in found}) > 1:
        raise AnnotationError(found[1][0], f"it says something else than {found[0][0]}")
    return found[0] if found else ("", "")


def _parsed(name: str, text: str, shape: Any) -> Any:
    try:
        return msgspec.convert(_folded(msgspec.json.decode(text)), shape)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise AnnotationError(name, str(error)) from error


_WORDS = {w.lower(): w for w in ("rebalance", "clusters", "minReplicas", "maxReplicas", "weight", "key", "operator")}
_WORDS |= {"values": "values"}


def _folded(value: Any, *, names: bool = False) -> Any:
    """Fields by whatever case they are written in, as Go reads them; names of clusters as they are."""
    if isinstance(value, list):
        return [_folded(item) for item in value]
    if not isinstance(value, dict):
        return value
    if names:
        return {key: _folded(item) for key, item in value.items()}
    fields = {_WORDS.get(key.lower(), key): item for key, item in value.items()}
    return {key: _folded(item, names=key == "clusters") for key, item in fields.items() if item is not None}


def _expression(name: str, at: str, requirement: _Requirement, operator: str) -> SelectorRequirement:
    values = requirement.values or ()
    if (operator in {"In", "NotIn"}) != bool(values):
        takes = "needs values" if operator in {"In", "NotIn"} else "takes no values"
        raise AnnotationError(name, f"{at}.values: operator {requirement.operator} {takes}")
    body = {"key": requirement.key, "operator": operator, "values": values}
    try:
        return msgspec.convert(body, SelectorRequirement)
    except msgspec.ValidationError as error:
        raise AnnotationError(name, f"{at}: {error}") from error


def _comparison(name: str, at: str, key: str, sign: str, values: tuple[str, ...]) -> str:
    """In CEL: a label that is missing, or no number, doesn't hold."""
    if len(values) != 1:
        raise AnnotationError(name, f"{at}.values: it is compared with exactly one")
    try:
        number = int(values[0])
    except ValueError:
        raise AnnotationError(name, f"{at}.values: {values[0]!r} is no whole number") from None
    quoted = msgspec.json.encode(key).decode()
    return f"{quoted} in cluster.labels && int(cluster.labels[{quoted}]) {sign} {number}"
