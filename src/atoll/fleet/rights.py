"""What a hub places for itself in a member: a service account and its rights, all owned by one ClusterRole.

Ownership makes leaving one act. The account removes itself with its own token, so whatever it deletes first may cost it
the rights for the rest; it deletes only the ClusterRole, and the member's garbage collector takes what hangs on it.
"""

from typing import Any

import msgspec

from atoll.api.names import SYSTEM_NAMESPACE, applyset_parent
from atoll.api.objects import Json
from atoll.kube.objects import Resource
from atoll.kube.resources import CLUSTERROLEBINDINGS, ROLEBINDINGS, ROLES

RBAC = "rbac.authorization.k8s.io"
LABEL_INSTALLED_BY = "atoll.dev/installed-by"
"""Hub id, on what Atoll places for itself. Not `atoll.dev/hub`: that one marks what Applications deliver."""

DISCOVERY_PATHS = ["/api", "/api/*", "/apis", "/apis/*", "/version", "/openapi/*", "/healthz", "/livez", "/readyz"]


class Rights(msgspec.Struct, frozen=True):
    """What the hub may do in a member: everything, or everything within `namespaces`."""

    namespaces: tuple[str, ...] = ()

    @property
    def admin(self) -> bool:
        return not self.namespaces

    @classmethod
    def parse(cls, text: str) -> "Rights":
        """`admin` or `namespaces=a,b`. Raises ValueError for anything else."""
        if text == "admin":
            return cls()
        head, separator, rest = text.partition("=")
        names = tuple(dict.fromkeys(name.strip() for name in rest.split(",") if name.strip()))
        if head != "namespaces" or not separator or not names:
            raise ValueError(f"rights are `admin` or `namespaces=a,b`, not {text!r}")
        return cls(names)

    def __str__(self) -> str:
        return "admin" if self.admin else "namespaces=" + ",".join(self.namespaces)


def account_name(hub: str) -> str:
    """Name of hub `hub`'s ServiceAccount in `atoll-system` of each member, and of its roles and bindings."""
    return f"atoll-hub-{hub}"


def cluster_role(hub: str, rights: Rights) -> Json:
    """The ClusterRole that owns the rest."""
    name = account_name(hub)
    rules: list[Json]
    if rights.admin:
        rules = [_rule("*", "*", "*"), {"nonResourceURLs": ["*"], "verbs": ["get"]}]
    else:
        known = ["kube-system", SYSTEM_NAMESPACE, *rights.namespaces]
        rules = [
            _rule("", "namespaces", "get", names=known),
            _rule("", "nodes", "get list watch"),
            _rule(RBAC, "clusterroles", "get delete", names=[name]),
            {"nonResourceURLs": DISCOVERY_PATHS, "verbs": ["get"]},
        ]
    return {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": _meta(hub, name), "rules": rules}


def dependents(hub: str, rights: Rights, owner_uid: str = "") -> tuple[tuple[Resource, Json], ...]:
    """What hangs on the ClusterRole whose UID is `owner_uid`, in the order to make it; the ServiceAccount is apart.

    Without a UID nothing goes with the ClusterRole: manifests are written before there is one.
    """
    name = account_name(hub)
    owner = owner_reference(hub, owner_uid) if owner_uid else None
    result = [(CLUSTERROLEBINDINGS, _binding("ClusterRoleBinding", "ClusterRole", _meta(hub, name, owner)))]
    if not rights.admin:
        own = [
            _rule("", "configmaps", "create"),
            _rule("", "configmaps", "get update patch delete", names=[applyset_parent(hub)]),
            _rule("", "serviceaccounts/token", "create", names=[name]),
        ]
        rules = {SYSTEM_NAMESPACE: own} | {namespace: [_rule("*", "*", "*")] for namespace in rights.namespaces}
        for namespace, rows in rules.items():
            meta = _meta(hub, name, owner, namespace)
            role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": meta, "rules": rows}
            result += [(ROLES, role), (ROLEBINDINGS, _binding("RoleBinding", "Role", meta))]
    return tuple(result)


def service_account(hub: str, owner_uid: str = "") -> Json:
    """The account itself; its tokens are asked for one by one, none lies in a Secret of the member."""
    owner = owner_reference(hub, owner_uid) if owner_uid else None
    meta = _meta(hub, account_name(hub), owner, SYSTEM_NAMESPACE)
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta, "automountServiceAccountToken": False}


def owner_reference(hub: str, uid: str) -> Json:
    """Makes its bearer go with the ClusterRole."""
    return {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "name": account_name(hub), "uid": uid}


def _meta(hub: str, name: str, owner: Json | None = None, namespace: str = "") -> Json:
    meta: Json = {"name": name, "labels": {LABEL_INSTALLED_BY: hub, "app.kubernetes.io/managed-by": "atoll"}}
    if namespace:
        meta["namespace"] = namespace
    if owner:
        meta["ownerReferences"] = [owner]
    return meta


def _rule(group: str, resources: str, verbs: str, *, names: list[str] | None = None) -> Json:
    rule: dict[str, Any] = {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}
    return rule | ({"resourceNames": names} if names else {})


def _binding(kind: str, role_kind: str, meta: Json) -> Json:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": meta,
        "roleRef": {"apiGroup": RBAC, "kind": role_kind, "name": meta["name"]},
        "subjects": [{"kind": "ServiceAccount", "name": meta["name"], "namespace": SYSTEM_NAMESPACE}],
    }
