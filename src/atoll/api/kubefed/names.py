"""The names that KubeFed fixed: groups, labels, annotations, finalizers, and the words of its statuses."""

from enum import StrEnum

NAMESPACE = "kube-federation-system"
"""Where KubeFed's control plane lives unless it is told otherwise."""
CONFIG = "kubefed"
"""The one KubeFedConfig of a control plane."""
LEADER_LOCK = "kubefed-controller-manager"
"""The ConfigMap, or Endpoints, that the leader holds."""

CORE_GROUP = "core.kubefed.io"
CORE_VERSION = "v1beta1"
RECORDS_VERSION = "v1alpha1"
"""Of PropagatedVersion, ClusterPropagatedVersion and FederatedServiceStatus, in the same group."""
TYPES_GROUP = "types.kubefed.io"
TYPES_VERSION = "v1beta1"
SCHEDULING_GROUP = "scheduling.kubefed.io"
SCHEDULING_VERSION = "v1alpha1"

LABEL_MANAGED = "kubefed.io/managed"
MANAGED = "true"
UNMANAGED = "false"
"""What a member's owner writes to keep KubeFed off an object."""
ANNOTATION_ORPHAN = "kubefed.io/orphan"
"""`true` on a federated object: its members' objects stay when it goes."""
ANNOTATION_DELETE_OPTIONS = "kubefed.io/deleteoption"
"""On a federated object: DeleteOptions as JSON, for the deletes in the members."""
FINALIZER_SYNC = "kubefed.io/sync-controller"
FINALIZER_TYPE_CONFIG = "core.kubefed.io/federated-type-config"

ALL_CLUSTERS = "*"
"""In a ReplicaSchedulingPreference: every cluster that isn't named."""

SECRET_TOKEN = "token"  # noqa: S105  # a key's name
"""Key of a KubeFedCluster's Secret that holds the bearer token."""

NAMESPACES_CONFIG = "namespaces"
"""The FederatedTypeConfig of namespaces, on which all namespaced types wait."""
SERVICES_CONFIG = "services"
"""The one FederatedTypeConfig that the old status controller looks after."""

NEVER_FEDERATED = frozenset({"kube-system", "kube-public", "default"})
"""Namespaces that no FederatedNamespace touches; the control plane's own is one more."""
FORBIDDEN_PATHS = frozenset({"/metadata/namespace", "/metadata/name", "/metadata/generateName", "/kind"})
"""Paths that no override may have; what is below them isn't looked at."""


class Propagation(StrEnum):
    """How a federated object fares in one cluster: `status.clusters[].status`. OK is left out on the wire."""

    OK = ""
    WAITING_FOR_REMOVAL = "WaitingForRemoval"
    CLUSTER_NOT_READY = "ClusterNotReady"
    CACHED_RETRIEVAL_FAILED = "CachedRetrievalFailed"
    COMPUTE_RESOURCE_FAILED = "ComputeResourceFailed"
    APPLY_OVERRIDES_FAILED = "ApplyOverridesFailed"
    CREATION_FAILED = "CreationFailed"
    UPDATE_FAILED = "UpdateFailed"
    DELETION_FAILED = "DeletionFailed"
    LABEL_REMOVAL_FAILED = "LabelRemovalFailed"
    RETRIEVAL_FAILED = "RetrievalFailed"
    ALREADY_EXISTS = "AlreadyExists"
    FIELD_RETENTION_FAILED = "FieldRetentionFailed"
    VERSION_RETRIEVAL_FAILED = "VersionRetrievalFailed"
    CLIENT_RETRIEVAL_FAILED = "ClientRetrievalFailed"
    MANAGED_LABEL_FALSE = "ManagedLabelFalse"
    CREATION_TIMED_OUT = "CreationTimedOut"
    UPDATE_TIMED_OUT = "UpdateTimedOut"
    DELETION_TIMED_OUT = "DeletionTimedOut"
    LABEL_REMOVAL_TIMED_OUT = "LabelRemovalTimedOut"


class Reason(StrEnum):
    """Why the condition `Propagation` of a federated object is what it is. SUCCESS is left out on the wire."""

    SUCCESS = ""
    CLUSTER_RETRIEVAL_FAILED = "ClusterRetrievalFailed"
    COMPUTE_PLACEMENT_FAILED = "ComputePlacementFailed"
    CHECK_CLUSTERS = "CheckClusters"
    NAMESPACE_NOT_FEDERATED = "NamespaceNotFederated"


CONDITION_PROPAGATION = "Propagation"


class ClusterCondition(StrEnum):
    """Types of a KubeFedCluster's conditions."""

    READY = "Ready"
    OFFLINE = "Offline"
    CONFIG_MALFORMED = "ConfigMalformed"


class TlsCheck(StrEnum):
    """What a KubeFedCluster may leave unchecked of its API server's certificate."""

    ALL = "*"
    SUBJECT_NAME = "SubjectName"
    VALIDITY_PERIOD = "ValidityPeriod"


class Switch(StrEnum):
    """On and off, as KubeFed writes them."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"


class Controller(StrEnum):
    """Whether a type's controller runs: the status of a FederatedTypeConfig."""

    RUNNING = "Running"
    NOT_RUNNING = "NotRunning"


class Scope(StrEnum):
    """Of a type, and of a control plane."""

    CLUSTER = "Cluster"
    NAMESPACED = "Namespaced"


class Gate(StrEnum):
    """Feature gates of a KubeFedConfig."""

    PUSH_RECONCILER = "PushReconciler"
    RAW_RESOURCE_STATUS_COLLECTION = "RawResourceStatusCollection"
    SCHEDULER_PREFERENCES = "SchedulerPreferences"


class Lock(StrEnum):
    """What kind of object the leader's lock is."""

    CONFIGMAPS = "configmaps"
    ENDPOINTS = "endpoints"
