"""Kinds that every server has, or that Atoll installs: no discovery needed."""

from atoll.api.names import GROUP, VERSION
from atoll.kube.objects import Resource

_ALL = frozenset({"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"})
_CREATE = frozenset({"create"})

NAMESPACES = Resource("", "v1", "Namespace", "namespaces", namespaced=False, verbs=_ALL - {"deletecollection"})
NODES = Resource("", "v1", "Node", "nodes", namespaced=False, verbs=_ALL)
CONFIGMAPS = Resource("", "v1", "ConfigMap", "configmaps", verbs=_ALL)
SECRETS = Resource("", "v1", "Secret", "secrets", verbs=_ALL)
PODS = Resource("", "v1", "Pod", "pods", verbs=_ALL)
SERVICES = Resource("", "v1", "Service", "services", verbs=_ALL)
ENDPOINTS = Resource("", "v1", "Endpoints", "endpoints", verbs=_ALL)
SERVICEACCOUNTS = Resource("", "v1", "ServiceAccount", "serviceaccounts", verbs=_ALL)
EVENTS = Resource("", "v1", "Event", "events", verbs=_ALL)
EVENTS_V1 = Resource("events.k8s.io", "v1", "Event", "events", verbs=_ALL)
LEASES = Resource("coordination.k8s.io", "v1", "Lease", "leases", verbs=_ALL)

DEPLOYMENTS = Resource("apps", "v1", "Deployment", "deployments", verbs=_ALL)
STATEFULSETS = Resource("apps", "v1", "StatefulSet", "statefulsets", verbs=_ALL)
DAEMONSETS = Resource("apps", "v1", "DaemonSet", "daemonsets", verbs=_ALL)
REPLICASETS = Resource("apps", "v1", "ReplicaSet", "replicasets", verbs=_ALL)
JOBS = Resource("batch", "v1", "Job", "jobs", verbs=_ALL)

CRDS = Resource(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False, verbs=_ALL
)
APISERVICES = Resource("apiregistration.k8s.io", "v1", "APIService", "apiservices", namespaced=False, verbs=_ALL)
ROLES = Resource("rbac.authorization.k8s.io", "v1", "Role", "roles", verbs=_ALL)
ROLEBINDINGS = Resource("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", verbs=_ALL)
CLUSTERROLES = Resource("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False, verbs=_ALL)
CLUSTERROLEBINDINGS = Resource(
    "rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False, verbs=_ALL
)
VALIDATINGWEBHOOKS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    namespaced=False,
    verbs=_ALL,
)
MUTATINGWEBHOOKS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "MutatingWebhookConfiguration",
    "mutatingwebhookconfigurations",
    namespaced=False,
    verbs=_ALL,
)
MUTATINGPOLICIES = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "MutatingAdmissionPolicy",
    "mutatingadmissionpolicies",
    namespaced=False,
    verbs=_ALL,
)
MUTATINGPOLICYBINDINGS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "MutatingAdmissionPolicyBinding",
    "mutatingadmissionpolicybindings",
    namespaced=False,
    verbs=_ALL,
)
TOKENREVIEWS = Resource("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", namespaced=False, verbs=_CREATE)
SELFSUBJECTREVIEWS = Resource(
    "authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", namespaced=False, verbs=_CREATE
)
SELFSUBJECTACCESSREVIEWS = Resource(
    "authorization.k8s.io",
    "v1",
    "SelfSubjectAccessReview",
    "selfsubjectaccessreviews",
    namespaced=False,
    verbs=_CREATE,
)

APPLICATIONS = Resource(GROUP, VERSION, "Application", "applications", verbs=_ALL)
APPLICATIONDEFAULTS = Resource(GROUP, VERSION, "ApplicationDefaults", "applicationdefaults", verbs=_ALL)
CLUSTERS = Resource(GROUP, VERSION, "Cluster", "clusters", namespaced=False, verbs=_ALL)
CLUSTERPROFILES = Resource("multicluster.x-k8s.io", "v1alpha1", "ClusterProfile", "clusterprofiles", verbs=_ALL)
