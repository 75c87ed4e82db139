"""Which of Kubernetes' own kinds are namespaced, for whoever has no API server to ask."""

from collections.abc import Callable

from atoll.api.objects import GroupKind

Scopes = Callable[[GroupKind], bool | None]
"""True when namespaced, False when cluster-scoped, None when that isn't known."""

_CLUSTER_SCOPED: dict[str, frozenset[str]] = {
    "": frozenset(("Namespace", "Node", "PersistentVolume", "ComponentStatus")),
    "admissionregistration.k8s.io": frozenset(
        (
            *("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"),
            *("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"),
            *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
        )
    ),
    "apiextensions.k8s.io": frozenset(("CustomResourceDefinition",)),
    "apiregistration.k8s.io": frozenset(("APIService",)),
    "apps": frozenset(),
    "autoscaling": frozenset(),
    "batch": frozenset(),
    "certificates.k8s.io": frozenset(("CertificateSigningRequest", "ClusterTrustBundle")),
    "coordination.k8s.io": frozenset(),
    "discovery.k8s.io": frozenset(),
    "events.k8s.io": frozenset(),
    "flowcontrol.apiserver.k8s.io": frozenset(("FlowSchema", "PriorityLevelConfiguration")),
    "networking.k8s.io": frozenset(("IngressClass", "IPAddress", "ServiceCIDR")),
    "node.k8s.io": frozenset(("RuntimeClass",)),
    "policy": frozenset(),
    "rbac.authorization.k8s.io": frozenset(("ClusterRole", "ClusterRoleBinding")),
    "resource.k8s.io": frozenset(("DeviceClass", "ResourceSlice", "DeviceTaintRule")),
    "scheduling.k8s.io": frozenset(("PriorityClass",)),
    "storage.k8s.io": frozenset(("CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass")),
    "atoll.dev": frozenset(("Cluster",)),
}


def known_scope(kind: GroupKind) -> bool | None:
    """What Kubernetes 1.36 says of its own kinds; None for the others."""
    cluster_scoped = _CLUSTER_SCOPED.get(kind.group)
    return None if cluster_scoped is None else kind.kind not in cluster_scoped
