"""What the hub may do on its own cluster: exactly what its code does there, and a test that walks the audit log.

Three parts. `atoll-hub`, ClusterRole: Atoll's own kinds, namespaces to look at, Events to write, one webhook
configuration, one admission policy, and former revisions. `atoll-hub`, Role in `atoll-system`: what the hub keeps
there. `atoll-select`, ClusterRole of its own: the objects that Applications select may be of any kind, Secrets among
them, so whoever shares the cluster with others binds it in chosen namespaces only. It has no `get`: on all kinds that
would be `nodes/proxy` and `pods/exec`, too. `atoll-federation-v1`, ClusterRole of its own and bound nowhere: the
objects that Federation v1 distributed, for namespaces that opted in.
"""

from atoll.api.names import GROUP, HUB_CONFIGMAP, LEASE_HUB, SYSTEM_NAMESPACE
from atoll.api.objects import Json
from atoll.hub.birth import NAME as POLICY
from atoll.hub.shared_webhook import SECRET as WEBHOOK_SECRET
from atoll.hub.webhook import NAME as WEBHOOK
from atoll.install.layout import AGENTS, FEDERATION_V1, HUB, MEMBERS, SELECT, Layout, meta

RBAC = "rbac.authorization.k8s.io"


def rule(group: str, resources: str, verbs: str, *names: str) -> Json:
    row: Json = {"apiGroups": [group], "resources": resources.split()}
    return row | ({"resourceNames": list(names)} if names else {}) | {"verbs": verbs.split()}


CLUSTER_RULES = (
    rule(GROUP, "applications clusters", "list watch patch"),  # the patches are of finalizers
    rule(GROUP, "applicationdefaults", "list watch"),
    rule(GROUP, "applications/status clusters/status", "patch"),
    rule("", "namespaces", "get list watch"),
    rule("", "events", "create"),
    rule("", "secrets", "create delete"),  # former revisions; `confinement` narrows it to their type
    rule("admissionregistration.k8s.io", "validatingwebhookconfigurations", "get create patch", WEBHOOK),
    rule(
        "admissionregistration.k8s.io",
        "mutatingadmissionpolicies mutatingadmissionpolicybindings",
        "create patch delete",
        POLICY,
    ),
)
SYSTEM_RULES = (
    rule("", "secrets", "get list watch update delete"),  # members' credentials: renewed, and gone with their cluster
    rule("", "secrets", "create patch", WEBHOOK_SECRET),
    rule("", "configmaps", "list create"),
    rule("", "configmaps", "get", HUB_CONFIGMAP),
    rule("", "configmaps", "patch delete"),  # tombstones, one a cluster
    rule("coordination.k8s.io", "leases", "create"),
    rule("coordination.k8s.io", "leases", "get update", LEASE_HUB),
    rule("multicluster.x-k8s.io", "clusterprofiles", "create list patch delete"),
    rule("multicluster.x-k8s.io", "clusterprofiles/status", "patch"),
)
SELECT_RULES = (rule("*", "*", "list watch"),)
AGENTS_CLUSTER_RULES = (rule("authentication.k8s.io", "tokenreviews", "create"),)  # who asks about a member
AGENTS_SYSTEM_RULES = (rule("", "serviceaccounts", "get", MEMBERS),)
"""What the endpoint of agents needs besides, in their own roles. Its Secrets are made by the rights above."""
FEDERATION_V1_RULES = (
    rule("", "configmaps secrets services", "list watch patch"),
    rule("apps", "deployments replicasets daemonsets", "list watch patch"),
    rule("batch", "jobs", "list watch patch"),
    rule("networking.k8s.io", "ingresses", "list watch patch"),
)


def roles(layout: Layout) -> tuple[Json, ...]:
    """The roles and who has them."""
    cluster_bindings = [(HUB, HUB)] + ([(SELECT, SELECT)] if layout.select else [])
    return (
        role("ClusterRole", meta(HUB), CLUSTER_RULES),
        role("ClusterRole", meta(SELECT), SELECT_RULES),
        role("ClusterRole", meta(FEDERATION_V1), FEDERATION_V1_RULES),
        *(binding("ClusterRoleBinding", meta(name), "ClusterRole", role, layout) for name, role in cluster_bindings),
        role("Role", meta(HUB, SYSTEM_NAMESPACE), SYSTEM_RULES),
        binding("RoleBinding", meta(HUB, SYSTEM_NAMESPACE), "Role", HUB, layout),
        *(_agents(layout) if layout.agents else ()),
    )


def _agents(layout: Layout) -> tuple[Json, ...]:
    return (
        role("ClusterRole", meta(AGENTS), AGENTS_CLUSTER_RULES),
        binding("ClusterRoleBinding", meta(AGENTS), "ClusterRole", AGENTS, layout),
        role("Role", meta(AGENTS, SYSTEM_NAMESPACE), AGENTS_SYSTEM_RULES),
        binding("RoleBinding", meta(AGENTS, SYSTEM_NAMESPACE), "Role", AGENTS, layout),
    )


def role(kind: str, metadata: Json, rules: tuple[Json, ...]) -> Json:
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, "rules": list(rules)}


def binding(kind: str, metadata: Json, role_kind: str, role: str, layout: Layout) -> Json:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": role_kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": HUB, "namespace": layout.namespace}],
    }
