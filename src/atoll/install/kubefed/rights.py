"""What the hub may do on its host besides, where it takes a KubeFed control plane's place.

Federated types of another group than KubeFed's own (`enable --federated-group`) need a role of their own, bound to the
hub's ServiceAccount: whoever enables them can't be foreseen here.
"""

from atoll.api.kubefed.names import CORE_GROUP, SCHEDULING_GROUP, TYPES_GROUP
from atoll.api.names import GROUP, SYSTEM_NAMESPACE
from atoll.api.objects import Json
from atoll.hub.kubefed.admission import names
from atoll.install.layout import KUBEFED, Layout, meta
from atoll.install.rights import binding, role, rule


def kubefed_roles(layout: Layout) -> tuple[Json, ...]:
    """The roles and who has them; in the control plane's namespace, too."""
    return (
        role("ClusterRole", meta(KUBEFED), _cluster_rules(layout.kubefed)),
        binding("ClusterRoleBinding", meta(KUBEFED), "ClusterRole", KUBEFED, layout),
        role("Role", meta(KUBEFED, SYSTEM_NAMESPACE), _SYSTEM_RULES),
        binding("RoleBinding", meta(KUBEFED, SYSTEM_NAMESPACE), "Role", KUBEFED, layout),
        role("Role", meta(KUBEFED, layout.kubefed), _OWN_RULES),
        binding("RoleBinding", meta(KUBEFED, layout.kubefed), "Role", KUBEFED, layout),
    )


def _cluster_rules(namespace: str) -> tuple[Json, ...]:
    told = [name for limited in ("", namespace) for _, name in names(limited)]
    return (
        rule(CORE_GROUP, "kubefedclusters federatedtypeconfigs", "get list watch patch"),
        rule(CORE_GROUP, "kubefedclusters/status federatedtypeconfigs/status", "patch"),
        rule(CORE_GROUP, "kubefedconfigs", "get create update"),
        rule(CORE_GROUP, "propagatedversions clusterpropagatedversions", "get list watch create patch"),
        rule(CORE_GROUP, "propagatedversions/status clusterpropagatedversions/status", "patch"),
        rule(CORE_GROUP, "federatedservicestatuses", "get create patch"),
        rule(SCHEDULING_GROUP, "replicaschedulingpreferences", "get list watch"),
        rule(TYPES_GROUP, "*", "get list watch patch"),  # statuses, finalizers, and the replicas that are divided
        rule(TYPES_GROUP, "*/finalizers", "update"),  # to own the records of their versions
        rule(GROUP, "clusters", "create delete"),  # one for each KubeFedCluster
        rule(
            "admissionregistration.k8s.io",
            "validatingwebhookconfigurations mutatingwebhookconfigurations",
            "get create patch",
            *dict.fromkeys(told),
        ),
    )


_SYSTEM_RULES = (rule("", "secrets", "create patch"),)  # members' tokens, as the hub keeps credentials
_OWN_RULES = (
    rule("", "secrets", "get list watch"),  # members' tokens, as KubeFed keeps them
    rule("", "configmaps endpoints", "get create update"),  # the leader's lock
)
