"""What all federated types of a control plane share: its members by label, its namespaces, its settings."""

from collections.abc import Callable

import msgspec

from atoll.api.kubefed.cluster import KubeFedCluster
from atoll.api.kubefed.federated import Federated, FederatedSpec
from atoll.api.kubefed.names import NEVER_FEDERATED, ClusterCondition
from atoll.api.kubefed.typeconfig import FederatedTypeConfig
from atoll.api.objects import ObjectId
from atoll.hub.kubefed.settings import Settings
from atoll.intake.kubefed.placement import Clusters, selected
from atoll.kube.kubefed_resources import KUBEFEDCLUSTERS
from atoll.kube.objects import Object
from atoll.runtime.informer import Informer


class NotKnown(Exception):  # noqa: N818  it says when, and not what went wrong
    """The FederatedNamespaces aren't known now: nothing can be said of where what is in them goes."""


class Chosen(msgspec.Struct, frozen=True):
    """The clusters of one object. `unfederated`: its namespace isn't federated, so that there are none."""

    clusters: frozenset[str] = frozenset()
    unfederated: bool = False


class Federation:
    """Placement reads it. `namespaces` is the watch of FederatedNamespaces, while there is a type of that name.

    `at_home(cluster)`: it is the hub's own.
    """

    def __init__(self, settings: Settings, clusters: Informer[Object], at_home: Callable[[str], bool]) -> None:
        self.settings = settings
        self.namespaces: Informer[Object] | None = None
        self.at_home = at_home
        self._clusters = clusters
        self._labels: Clusters | None = None

    def clusters(self) -> Clusters:
        """All KubeFedClusters but those that are leaving."""
        if self._labels is None:
            self._labels = {c.name: c.labels for c in self._clusters.values() if not c.deleting}
        return self._labels

    def clusters_changed(self) -> None:
        self._labels = None

    def ready(self, name: str) -> bool:
        """Whether KubeFedCluster `name` is told to be Ready: by its thresholds, and by what a former process saw."""
        live = self._clusters.get(ObjectId(KUBEFEDCLUSTERS.group, KUBEFEDCLUSTERS.kind, self.settings.namespace, name))
        return live is not None and is_ready(live)

    def never_federated(self, namespace: str) -> bool:
        return namespace in NEVER_FEDERATED or namespace == self.settings.namespace

    def chosen(self, federated: Federated, spec: FederatedSpec, config: FederatedTypeConfig) -> Chosen:
        """Where `federated` goes. Raises PlacementError, ValidationError for a FederatedNamespace that is none, and
        NotKnown.
        """
        clusters = self.clusters()
        own = selected(spec.placement, clusters)
        if not config.spec.target_type.namespaced:
            return Chosen(own)
        found = self.namespace(federated.metadata.namespace)
        if found is None:
            return Chosen(own) if self.settings.limited else Chosen(unfederated=True)
        whole = found.read(Federated).spec
        return Chosen(own & selected(whole.placement if whole is not None else None, clusters))

    def selectable(self, federated: Federated) -> frozenset[str]:
        """What its own and its namespace's clusterSelectors mean, whatever clusters they name. Raises as `chosen`."""
        clusters = self.clusters()
        own = selected(federated.spec.placement if federated.spec else None, clusters, by_selector=True)
        found = self.namespace(federated.metadata.namespace)
        if found is None:
            return own if self.settings.limited else frozenset()
        whole = found.read(Federated).spec
        return own & selected(whole.placement if whole is not None else None, clusters, by_selector=True)

    def namespace(self, name: str) -> Object | None:
        """The FederatedNamespace of namespace `name`. Raises NotKnown."""
        if self.namespaces is None or not self.namespaces.synced:
            raise NotKnown
        group, kind = self.namespaces.resource.group_kind
        return self.namespaces.get(ObjectId(group, kind, name, name))


def is_ready(live: Object) -> bool:
    """Whether this KubeFedCluster's status says so."""
    try:
        status = live.read(KubeFedCluster).status
    except msgspec.ValidationError:
        return False
    conditions = status.conditions if status is not None else ()
    return any(one.type == ClusterCondition.READY.value and one.status == "True" for one in conditions)
