"""The names that are fixed: on the hub, on members and in everything that outlives a process."""

GROUP = "atoll.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

SYSTEM_NAMESPACE = "atoll-system"

FIELD_MANAGER = "atoll"
HANDOVER_MANAGER = "atoll-handover"
FINALIZER = "atoll.dev/delivery"

LABEL_HUB = "atoll.dev/hub"
LABEL_APP = "atoll.dev/app"
LABEL_PART_OF = "applyset.kubernetes.io/part-of"
LABEL_REACH = "atoll.dev/reach"
"""On the hub's namespace: `cluster` lets its Applications reach other namespaces and cluster-scoped kinds."""
LABEL_FEDERATION = "atoll.dev/federation"
"""On the hub's namespace: `v1` has its objects distributed as Federation v1's annotations say."""

LABEL_REVISIONS = "atoll.dev/revisions-of"
"""On the Secrets of former contents: the Application's UID."""
REVISION_TYPE = "atoll.dev/revision"

ANNOTATION_DIGEST = "atoll.dev/digest"
ANNOTATION_REVISION = "atoll.dev/revision"
ANNOTATION_APPLICATION = "atoll.dev/application"
ANNOTATION_PRUNE = "atoll.dev/prune"
ANNOTATION_WAVE = "atoll.dev/wave"
ANNOTATION_ROLLOUT = "atoll.dev/rollout"
"""On an Application: `abort N` or `retry N`, a person's word about the rollout of revision N."""
ANNOTATION_APPROVED = "approved.atoll.dev/"
"""Before a stage's name, on an Application: the revision that may enter it."""

APPLYSET_LABEL_ID = "applyset.kubernetes.io/id"
APPLYSET_TOOLING = "applyset.kubernetes.io/tooling"
APPLYSET_GROUP_KINDS = "applyset.kubernetes.io/contains-group-kinds"
APPLYSET_NAMESPACES = "applyset.kubernetes.io/additional-namespaces"
TOOLING = "atoll/v1"

HUB_CONFIGMAP = "hub"
LEASE_HUB = "atoll-hub"


def applyset_parent(hub: str) -> str:
    """Name of the ApplySet parent, a ConfigMap in `atoll-system`, that hub `hub` keeps on each member."""
    return f"atoll-{hub}"


def tombstones(cluster: str, page: int = 1) -> str:
    """Name of the ConfigMap in the hub's `atoll-system` that remembers what is still to be removed from `cluster`; of
    what one can't hold, the next page does.
    """
    return f"tombstones-{cluster}" if page == 1 else f"tombstones.{page}-{cluster}"
