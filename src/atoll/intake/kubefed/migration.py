"""From KubeFed's objects to Applications for good: what `atoll migrate kubefed` writes, and what has no equal.

One Application is made of one federated object, so that each can go back alone. Members must not notice: `expected`
says what KubeFed has them hold, and whoever migrates compares it with what the Application would give them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from atoll.api.kubefed.federated import ClusterOverrides, Federated, FederatedSpec, Placement
from atoll.api.kubefed.names import ALL_CLUSTERS, ANNOTATION_DELETE_OPTIONS, ANNOTATION_ORPHAN, FINALIZER_SYNC
from atoll.api.kubefed.preference import PreferenceSpec, ReplicaSchedulingPreference
from atoll.api.kubefed.typeconfig import FederatedTypeConfig
from atoll.api.names import API_VERSION
from atoll.api.objects import Json
from atoll.api.validate import validate
from atoll.intake.kubefed.differing import differences
from atoll.intake.kubefed.placement import PlacementError, selected
from atoll.intake.kubefed.placing import EVERYWHERE, by_selector, together
from atoll.intake.kubefed.pointers import OverrideError, plain
from atoll.intake.kubefed.translate import ANNOTATION_KEEP, REPLICAS, Unreadable, dropped, orphaned, target_object

ANNOTATION_FROM = "atoll.dev/migrated-from"
"""On an Application: the federated object that it was made of, as `Kind/name`."""
_KNOWN_NOTES = frozenset(
    {
        ANNOTATION_ORPHAN,
        ANNOTATION_DELETE_OPTIONS,
        ANNOTATION_KEEP,
        "kubectl.kubernetes.io/last-applied-configuration",
    }
)


class Finding(msgspec.Struct, frozen=True):
    """What of an object has no equal, and what to do about it. `refuses`: nothing is done to the object before."""

    object: str
    field: str
    why: str
    do: str = ""
    refuses: bool = False


class Control(msgspec.Struct, frozen=True):
    """What a translation must know of the control plane.

    clusters: labels of the registered clusters, by name.
    namespaces: placements of FederatedNamespaces, by namespace; None where they don't count, in a control plane of one
        namespace.
    adopt: whether objects that members had before are taken over.
    home: the hub's namespace for Applications of cluster-scoped objects; "" when there is none.
    reaching: the hub's namespaces whose Applications may reach beyond themselves.
    """

    clusters: Mapping[str, Mapping[str, str]]
    namespaces: Mapping[str, Placement | None] | None = None
    adopt: bool = True
    home: str = ""
    reaching: frozenset[str] = frozenset()


class Translation(msgspec.Struct, frozen=True):
    """What becomes of one federated object. `application` is None when nothing can be made of it.

    expected: by cluster, the object as KubeFed has members hold it.
    """

    about: str
    application: Json | None
    expected: Mapping[str, Json] = {}
    findings: tuple[Finding, ...] = ()

    @property
    def refused(self) -> bool:
        return self.application is None or any(f.refuses for f in self.findings)


class _RefusedError(Exception):
    def __init__(self, field: str, why: str, do: str = "") -> None:
        super().__init__(why)
        self.field, self.why, self.do = field, why, do


def name_of(federated: Federated) -> str:
    """What the Application is called: `deployment-web` for FederatedDeployment web."""
    return f"{federated.kind.removeprefix('Federated').lower()}-{federated.metadata.name}"


def about(federated: Federated) -> str:
    where = f"{federated.metadata.namespace}/" if federated.metadata.namespace else ""
    return f"{federated.kind} {where}{federated.metadata.name}"


def translate(
    config: FederatedTypeConfig,
    federated: Federated,
    preference: ReplicaSchedulingPreference | None,
    control: Control,
    *,
    by_name: bool = True,
) -> Translation:
    """The Application that `federated` becomes, with `preference` if one divides its replicas.

    Without `by_name`, what differs is written as patches only: to be tried where the other way gives something else.
    """
    work = _Work(config, federated, preference, control, by_name=by_name)
    try:
        application = work.application()
    except _RefusedError as error:
        found = Finding(about(federated), error.field, error.why, error.do, refuses=True)
        return Translation(about(federated), None, work.expected, (*work.findings, found))
    return Translation(about(federated), application, work.expected, tuple(work.findings))


class _Work:
    """The translation of one object: `findings` and `expected` fill as it goes."""

    def __init__(
        self,
        config: FederatedTypeConfig,
        federated: Federated,
        preference: ReplicaSchedulingPreference | None,
        control: Control,
        *,
        by_name: bool,
    ) -> None:
        self._config = config
        self._federated = federated
        self._preference = preference.spec if preference is not None else None
        self._control = control
        self._by_name = by_name
        self.findings: list[Finding] = []
        self.expected: dict[str, Json] = {}

    def application(self) -> Json:
        """Raises _RefusedError."""
        spec = self._spec()
        namespace = self._federated.metadata.namespace or self._control.home
        if not namespace:
            raise _RefusedError(
                "metadata.namespace",
                "it is cluster-scoped, and Applications live in namespaces",
                "name one with --cluster-scoped-into; its label atoll.dev/reach must be cluster",
            )
        body = self._object(spec)
        placed = self._placed(spec)
        overrides = self._overrides(spec, body, placed)
        retain = self._retains(spec, placed)
        wanted: Json = {"manifests": [body], "placement": self._placement(spec)}
        if self._preference is not None:
            wanted["replicas"] = self._replicas(self._preference)
            overrides = [_without_replicas(one) for one in overrides]
        try:
            differing = differences(body, overrides, by_name=self._by_name)
        except OverrideError as error:
            raise _RefusedError("spec.overrides", str(error)) from error
        wanted |= {"differences": differing} if differing else {}
        wanted |= {"adopt": True} if self._control.adopt else {}
        if orphaned(self._federated.metadata.annotations):
            wanted["deletion"] = "orphan"
        if retain:
            wanted["retain"] = [{"target": _target(body), "path": REPLICAS}]
        application = self._named(namespace, wanted)
        self._note_metadata()
        self._check(application)
        return application

    def _spec(self) -> FederatedSpec:
        if not self._config.enabled:
            raise _RefusedError(
                "propagation",
                f"FederatedTypeConfig {self._config.metadata.name} is Disabled: members don't follow this object",
                "enable the type, or delete the object",
            )
        if self._federated.spec is None or self._federated.spec.template is None:
            raise _RefusedError("spec.template", "it has no template", "delete it: it propagates nothing")
        return self._federated.spec

    def _object(self, spec: FederatedSpec) -> Json:
        """The object as KubeFed makes it, before overrides."""
        for field in dropped(self._federated, spec):
            self._find(
                f"spec.template.metadata.{field}",
                "KubeFed never propagated it, and so the Application leaves it out",
                f"to have it on members, add it to spec.manifests[0].metadata.{field} afterwards",
            )
        try:
            return target_object(self._federated, spec, self._config)
        except Unreadable as error:
            raise _RefusedError(error.path, error.message, "mend it") from error

    # Where

    def _placements(self, spec: FederatedSpec) -> list[Placement | None]:
        own = spec.placement
        if self._preference is not None:
            own = by_selector(own) if self._preference.intersect_with_cluster_selector else EVERYWHERE
        namespaced, namespaces = bool(self._federated.metadata.namespace), self._control.namespaces
        if not namespaced or namespaces is None:
            return [own]
        around = namespaces.get(self._federated.metadata.namespace)
        if self._preference is not None and self._preference.intersect_with_cluster_selector:
            return [own, by_selector(around), around]
        return [own, around]

    def _placed(self, spec: FederatedSpec) -> frozenset[str]:
        """Where KubeFed has it now: what a preference chose is written in the object."""
        around = (self._control.namespaces or {}).get(self._federated.metadata.namespace)
        counts = self._federated.metadata.namespace and self._control.namespaces is not None
        try:
            placed = selected(spec.placement, self._control.clusters)
            return placed & selected(around, self._control.clusters) if counts else placed
        except PlacementError as error:
            raise _RefusedError(f"spec.{error.path}", error.message) from error

    def _placement(self, spec: FederatedSpec) -> Json:
        try:
            return together(*self._placements(spec))
        except PlacementError as error:
            raise _RefusedError(f"spec.{error.path}", error.message) from error

    # What differs

    def _overrides(self, spec: FederatedSpec, body: Json, placed: frozenset[str]) -> list[ClusterOverrides]:
        """Those that can be made; `expected` is known afterwards."""
        self.expected = dict.fromkeys(sorted(placed), body)
        names = [one.cluster_name for one in spec.overrides or ()]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise _RefusedError("spec.overrides", f"cluster {twice[0]} is there twice, which KubeFed refuses")
        kept: list[ClusterOverrides] = []
        for index, one in enumerate(spec.overrides or ()):
            at = f"spec.overrides[{index}]"
            try:
                made, _ = plain(body, one.cluster_overrides)
            except OverrideError as error:
                if one.cluster_name in placed:
                    raise _RefusedError(
                        at, f"cluster {one.cluster_name}: {error}", "mend the override, or take it away"
                    ) from error
                self._find(at, f"it can't be made, and {one.cluster_name} has no such object: left out: {error}")
                continue
            if one.cluster_name in placed:
                self.expected[one.cluster_name] = made
            kept.append(one)
        return kept

    def _retains(self, spec: FederatedSpec, placed: frozenset[str]) -> bool:
        """Overrides win over what is retained."""
        if not spec.retain_replicas:
            return False
        fixed = {o.cluster_name for o in spec.overrides or () for c in o.cluster_overrides if c.path == REPLICAS}
        if self._preference is not None or (placed and placed <= fixed):
            self._find("spec.retainReplicas", "it has no effect: every cluster's replicas are overridden; left out")
            return False
        if placed & fixed:
            raise _RefusedError(
                "spec.retainReplicas",
                f"replicas are overridden in {', '.join(sorted(placed & fixed))} and retained elsewhere; "
                "an Application retains them in all clusters or in none",
                "take the overrides of /spec/replicas away, or retainReplicas",
            )
        return True

    def _replicas(self, wish: PreferenceSpec) -> Json:
        share: Json = {"total": wish.total_replicas, "divide": "kubefed"}
        clusters = wish.clusters or {}
        if clusters:
            share["weights"] = {name: one.weight for name, one in clusters.items()}
            if not any(share["weights"].values()):
                raise _RefusedError(
                    "ReplicaSchedulingPreference spec.clusters",
                    "no cluster has a weight, and an Application divides by weight",
                    "give at least one cluster a weight",
                )
        limits = {name: _limits(one.min_replicas, one.max_replicas) for name, one in clusters.items()}
        named = bool(limits.get(ALL_CLUSTERS))  # else a cluster of no bounds would get those of the others
        if limits := {name: bounds or {"min": 0} for name, bounds in limits.items() if bounds or named}:
            share["limits"] = limits
        return share | ({"rebalance": True} if wish.rebalance else {})

    # The rest

    def _named(self, namespace: str, spec: Json) -> Json:
        metadata: Json = {"name": name_of(self._federated), "namespace": namespace}
        if self._federated.metadata.labels:
            metadata["labels"] = dict(self._federated.metadata.labels)
        metadata["annotations"] = {ANNOTATION_FROM: f"{self._federated.kind}/{self._federated.metadata.name}"}
        return {"apiVersion": API_VERSION, "kind": "Application", "metadata": metadata, "spec": spec}

    def _note_metadata(self) -> None:
        metadata = self._federated.metadata
        if ANNOTATION_DELETE_OPTIONS in metadata.annotations:
            self._find(
                f"metadata.annotations[{ANNOTATION_DELETE_OPTIONS}]",
                "an Application has no options for deletes: members' objects go in the background, with their "
                "dependents",
                "for objects that are to stay, `deletion: orphan`",
            )
        if others := sorted(metadata.annotations.keys() - _KNOWN_NOTES):
            self._find("metadata.annotations", f"not copied: {', '.join(others)}", "copy those that you need")
        if metadata.owner_references:
            owners = ", ".join(f"{o.get('kind')} {o.get('name')}" for o in metadata.owner_references)
            self._find("metadata.ownerReferences", f"the Application doesn't go with {owners}", "delete it yourself")
        if foreign := [f for f in metadata.finalizers if f != FINALIZER_SYNC]:
            self._find(
                "metadata.finalizers",
                f"it can't go before others let it: {', '.join(foreign)}",
                "have them removed by whom they belong to",
            )

    def _check(self, application: Json) -> None:
        reach = application["metadata"]["namespace"] in self._control.reaching
        issues = validate(application, known_clusters=self._control.clusters.keys(), reach=reach)
        for issue in issues:
            if issue.severity == "error":
                self.findings.append(
                    Finding(about(self._federated), f"Application: {issue.path}", issue.message, refuses=True)
                )
            else:
                self._find(f"Application: {issue.path}", issue.message)

    def _find(self, field: str, why: str, do: str = "") -> None:
        self.findings.append(Finding(about(self._federated), field, why, do))


def of_namespace(federated: Federated) -> tuple[Finding, ...]:
    """What has no equal of a FederatedNamespace: its placement is in the Applications of the namespace."""
    template = federated.spec.template if federated.spec is not None else None
    labels = sorted(((template or {}).get("metadata") or {}).get("labels") or {})
    found = [
        Finding(
            about(federated),
            "spec",
            "its placement goes into each Application of the namespace; namespaces stay on the members, are made where "
            "an Application needs one, and are never deleted",
        )
    ]
    if labels:
        found.append(
            Finding(
                about(federated),
                "spec.template.metadata.labels",
                f"they stay where they are, and nobody keeps them so: {', '.join(labels)}",
                "deploy the Namespace by an Application in a namespace with the label atoll.dev/reach: cluster",
            )
        )
    if federated.spec is not None and federated.spec.overrides:
        found.append(Finding(about(federated), "spec.overrides", "they stay as they are, and nobody keeps them so"))
    return tuple(found)


def unused(preferences: Iterable[ReplicaSchedulingPreference], used: Sequence[str]) -> list[Finding]:
    """Preferences that divide nothing. `used` are those, as `namespace/name`, that do."""
    found = []
    for one in preferences:
        key = f"{one.metadata.namespace}/{one.metadata.name}"
        if key not in used:
            kind = one.spec.target_kind if one.spec is not None else "nothing"
            why = f"there is no {kind} of that name that it could divide"
            found.append(Finding(f"ReplicaSchedulingPreference {key}", "spec.targetKind", why, "delete it"))
    return found


def _without_replicas(one: ClusterOverrides) -> ClusterOverrides:
    rest = tuple(o for o in one.cluster_overrides if o.path != REPLICAS)
    return msgspec.structs.replace(one, cluster_overrides=rest)


def _target(body: Json) -> Json:
    return {"kind": body["kind"], "name": body["metadata"]["name"]}


def _limits(least: int, most: int | None) -> dict[str, Any]:
    return ({"min": least} if least else {}) | ({"max": most} if most is not None else {})
