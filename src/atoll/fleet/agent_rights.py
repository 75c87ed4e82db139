"""What an agent in pull mode may do in its member: what the hub may do where it reaches a member, and keep the intent.

The hub itself gets nothing there: no account of this member is known to it.
"""

import msgspec

from atoll.api.names import SYSTEM_NAMESPACE, applyset_parent
from atoll.api.objects import Json
from atoll.fleet.rights import RBAC, Rights, account_name, cluster_role


class AgentRules(msgspec.Struct, frozen=True):
    """RBAC rules: those of its ClusterRole, and those of its Role in each namespace."""

    cluster: tuple[Json, ...]
    namespaces: dict[str, tuple[Json, ...]]


def agent_rules(hub: str, rights: Rights) -> AgentRules:
    """The rules for the agent that works for hub `hub`: all kinds everywhere, or all kinds within some namespaces.

    Within its own namespace it may always keep Secrets (the intent) and the ApplySet's parent; elsewhere, with single
    namespaces, it reads no Secret but in those. Nodes are read for the capacity. Pods are read where it delivers.
    """
    cluster = tuple(cluster_role(hub, rights)["rules"])
    if rights.admin:
        return AgentRules(cluster, {})
    parent = [applyset_parent(hub)]
    own: tuple[Json, ...] = (
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "create", "patch", "delete"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]},
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "verbs": ["get", "update", "patch", "delete"],
            "resourceNames": parent,
        },
    )
    everything: Json = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    return AgentRules(cluster, {SYSTEM_NAMESPACE: own} | dict.fromkeys(rights.namespaces, (everything,)))


def agent_roles(hub: str, rights: Rights) -> tuple[Json, ...]:
    """The roles and bindings by these rules, for the ServiceAccount that carries the hub's name in `atoll-system`."""
    name, rules = account_name(hub), agent_rules(hub, rights)
    found = [_role("ClusterRole", name, "", rules.cluster)]
    found += [_role("Role", name, namespace, own) for namespace, own in rules.namespaces.items()]
    return tuple(body for role in found for body in (role, _binding(role, name)))


def _role(kind: str, name: str, namespace: str, rules: tuple[Json, ...]) -> Json:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, "rules": list(rules)}


def _binding(role: Json, name: str) -> Json:
    return {
        "apiVersion": role["apiVersion"],
        "kind": f"{role['kind']}Binding",
        "metadata": role["metadata"],
        "roleRef": {"apiGroup": RBAC, "kind": role["kind"], "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": SYSTEM_NAMESPACE}],
    }
