"""KubeFed's fixed kinds, as Atoll installs them: no discovery needed."""

from atoll.api.kubefed.names import (
    CORE_GROUP,
    CORE_VERSION,
    RECORDS_VERSION,
    SCHEDULING_GROUP,
    SCHEDULING_VERSION,
)
from atoll.api.kubefed.typeconfig import ApiResource
from atoll.kube.objects import Resource

_ALL = frozenset({"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"})

KUBEFEDCLUSTERS = Resource(CORE_GROUP, CORE_VERSION, "KubeFedCluster", "kubefedclusters", verbs=_ALL)
FEDERATEDTYPECONFIGS = Resource(CORE_GROUP, CORE_VERSION, "FederatedTypeConfig", "federatedtypeconfigs", verbs=_ALL)
KUBEFEDCONFIGS = Resource(CORE_GROUP, CORE_VERSION, "KubeFedConfig", "kubefedconfigs", verbs=_ALL)
PROPAGATEDVERSIONS = Resource(CORE_GROUP, RECORDS_VERSION, "PropagatedVersion", "propagatedversions", verbs=_ALL)
CLUSTERPROPAGATEDVERSIONS = Resource(
    CORE_GROUP, RECORDS_VERSION, "ClusterPropagatedVersion", "clusterpropagatedversions", namespaced=False, verbs=_ALL
)
FEDERATEDSERVICESTATUSES = Resource(
    CORE_GROUP, RECORDS_VERSION, "FederatedServiceStatus", "federatedservicestatuses", verbs=_ALL
)
REPLICASCHEDULINGPREFERENCES = Resource(
    SCHEDULING_GROUP, SCHEDULING_VERSION, "ReplicaSchedulingPreference", "replicaschedulingpreferences", verbs=_ALL
)


def resource_of(served: ApiResource, *, namespaced: bool) -> Resource:
    """A type that a FederatedTypeConfig names, to be asked for."""
    return Resource(served.group, served.version, served.kind, served.plural_name, namespaced=namespaced, verbs=_ALL)
