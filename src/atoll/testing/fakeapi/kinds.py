"""The kinds that a fake cluster serves: the usual ones at first, custom ones as their CRDs come and go."""

import msgspec

from atoll.api.objects import GroupKind, Json
from atoll.kube import resources
from atoll.kube.objects import Resource

VERBS = frozenset({"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"})


class Kind(msgspec.Struct, frozen=True):
    """A kind in one version. `status`: it has the subresource; `grace`: seconds that its deletions take by default.

    `accounted`: who wrote which field is kept. In whole fleets not for Leases and Events: most of their cost.
    """

    resource: Resource
    status: bool = True
    grace: int = 0
    accounted: bool = True

    @property
    def is_built_in(self) -> bool:
        """Whether it is no custom resource."""
        return "." not in self.resource.group or self.resource.group.endswith(".k8s.io")

    @property
    def group_kind(self) -> GroupKind:
        return self.resource.group_kind


class Kinds:
    """What is served, by group and plural; several versions of a kind share their objects."""

    def __init__(self) -> None:
        self._served: dict[tuple[str, str, str], Kind] = {}
        for kind in BUILT_IN:
            self.add(kind)

    def add(self, kind: Kind) -> None:
        self._served[kind.resource.group, kind.resource.version, kind.resource.plural] = kind

    def remove(self, group_kind: GroupKind) -> None:
        self._served = {key: kind for key, kind in self._served.items() if kind.group_kind != group_kind}

    def serves(self, group: str, version: str) -> bool:
        return any(key[0] == group and key[1] == version for key in self._served)

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        return self._served.get((group, version, plural))

    def all(self) -> list[Kind]:
        return list(self._served.values())

    def of(self, group_kind: GroupKind) -> Kind | None:
        return next((kind for kind in self._served.values() if kind.group_kind == group_kind), None)


def of_crd(crd: Json) -> list[Kind]:
    """The kinds that a CustomResourceDefinition defines, one for each version that it serves."""
    spec = crd["spec"]
    names, namespaced = spec["names"], spec.get("scope", "Namespaced") == "Namespaced"
    return [
        Kind(
            Resource(spec["group"], version["name"], names["kind"], names["plural"], namespaced, VERBS),
            status="status" in (version.get("subresources") or {}),
        )
        for version in spec["versions"]
        if version.get("served", True)
    ]


def discovery(kinds: Kinds, *, core: bool) -> Json:
    """The aggregated document (v2) of /api, or of /apis."""
    groups: dict[str, dict[str, list[Json]]] = {}
    for kind in kinds.all():
        if (kind.resource.group == "") is core:
            groups.setdefault(kind.resource.group, {}).setdefault(kind.resource.version, []).append(_entry(kind))
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": group} if group else {"creationTimestamp": None},
                "versions": [
                    {"version": version, "resources": entries, "freshness": "Current"}
                    for version, entries in versions.items()
                ],
            }
            for group, versions in groups.items()
        ],
    }


def _entry(kind: Kind) -> Json:
    resource = kind.resource
    entry: Json = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.kind.lower(),
        "verbs": sorted(resource.verbs),
    }
    if kind.status:
        part = {"subresource": "status", "responseKind": entry["responseKind"], "verbs": ["get", "patch", "update"]}
        entry["subresources"] = [part]
    return entry


def _built_in() -> list[Kind]:
    plain = [
        resources.CONFIGMAPS,
        resources.SECRETS,
        resources.SERVICEACCOUNTS,
        resources.EVENTS,
        resources.EVENTS_V1,
        resources.LEASES,
        resources.ROLES,
        resources.ROLEBINDINGS,
        resources.CLUSTERROLES,
        resources.CLUSTERROLEBINDINGS,
        resources.VALIDATINGWEBHOOKS,
    ]
    with_status = [
        resources.NAMESPACES,
        resources.NODES,
        resources.SERVICES,
        resources.CRDS,
        resources.APISERVICES,
        resources.DEPLOYMENTS,
        resources.STATEFULSETS,
        resources.DAEMONSETS,
        resources.REPLICASETS,
        resources.JOBS,
    ]
    return [
        *(Kind(resource, status=False) for resource in plain),
        *(Kind(resource) for resource in with_status),
        Kind(resources.PODS, grace=30),
    ]


BUILT_IN = tuple(_built_in())
