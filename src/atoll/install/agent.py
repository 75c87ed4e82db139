"""An agent as a Pod: every object of `atoll agent manifest`, for `kubectl apply` in the member.

In tunnel mode the agent may issue tokens of the hub's account, keep its own Secret, and nothing else; what the hub may
do stands in that account's roles. In pull mode it is the agent that delivers, so that these are its own roles.
"""

import msgspec

from atoll import __version__
from atoll.api.manifests import dump
from atoll.api.names import SYSTEM_NAMESPACE
from atoll.api.objects import Json
from atoll.fleet.agent_rights import agent_roles
from atoll.fleet.rights import Rights, account_name, cluster_role, dependents, service_account
from atoll.install.layout import IMAGE, METRICS_PORT, PART_OF, VERSION_LABEL
from atoll.install.manifests import namespace
from atoll.install.pods import AS_NOBODY, CONFINED, TMP, USER, liveness
from atoll.install.rights import RBAC, rule

AGENT = "atoll-agent"
"""The Deployment; the Secret with the agent's key and certificate; in tunnel mode its account and roles."""
JOIN = "atoll-agent-join"
"""The Secret with what the printed command says: the token, and the fingerprint of the hub's authority."""
LABEL_AGENT_OF = "atoll.dev/agent-of"
"""Hub id, on every object of the manifest but the namespace."""
FOLDER = "/run/atoll"


class AgentLayout(msgspec.Struct, frozen=True):
    """One agent. `hub` is the hub's id, `pin` its authority's fingerprint, `proxy` what HTTPS_PROXY is to be."""

    cluster: str
    mode: str
    address: str
    token: str
    pin: str
    hub: str
    rights: Rights = Rights()
    image: str = IMAGE
    proxy: str = ""

    @property
    def account(self) -> str:
        """The ServiceAccount of the Pod."""
        return AGENT if self.mode == "tunnel" else account_name(self.hub)


def manifest(layout: AgentLayout) -> str:
    """The objects as YAML, with what takes them away again before them."""
    return (
        f"# The agent of cluster {layout.cluster}, in {layout.mode} mode. It holds a join token: it is not for a"
        " repository.\n"
        "# After `atoll cluster leave`, this removes it:\n"
        "#   kubectl delete deployment,secret,serviceaccount,role,rolebinding,clusterrole,clusterrolebinding"
        f" -A -l {LABEL_AGENT_OF}={layout.hub}\n" + dump(objects(layout))
    )


def objects(layout: AgentLayout) -> tuple[Json, ...]:
    """In the order in which they are applied."""
    rights = _tunnel_rights(layout) if layout.mode == "tunnel" else _pull_rights(layout)
    owned = (*rights, _join_secret(layout), _own_secret(), _deployment(layout))
    return (namespace(SYSTEM_NAMESPACE), *(_labelled(body, layout) for body in owned))


def _tunnel_rights(layout: AgentLayout) -> tuple[Json, ...]:
    """The hub's account with its rights, and the agent's own account with few."""
    own = (
        rule("", "serviceaccounts/token", "create", account_name(layout.hub)),
        rule("", "secrets", "get patch", AGENT),
    )
    return (
        cluster_role(layout.hub, layout.rights),
        service_account(layout.hub),
        *(body for _, body in dependents(layout.hub, layout.rights)),
        _account(AGENT),
        *_role("ClusterRole", AGENT, (rule("", "namespaces", "get", "kube-system"),), AGENT),
        *_role("Role", AGENT, own, AGENT),
    )


def _pull_rights(layout: AgentLayout) -> tuple[Json, ...]:
    own = (rule("", "secrets", "get patch", AGENT),)
    return (
        _account(layout.account),
        *agent_roles(layout.hub, layout.rights),
        *(_role("Role", AGENT, own, layout.account) if not layout.rights.admin else ()),
    )


def _account(name: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": SYSTEM_NAMESPACE},
        "automountServiceAccountToken": False,
    }


def _role(kind: str, name: str, rules: tuple[Json, ...], account: str) -> tuple[Json, Json]:
    """A role and its binding to `account`."""
    metadata: Json = {"name": name} | ({"namespace": SYSTEM_NAMESPACE} if kind == "Role" else {})
    return (
        {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, "rules": list(rules)},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": f"{kind}Binding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": SYSTEM_NAMESPACE}],
        },
    )


def _join_secret(layout: AgentLayout) -> Json:
    return _secret(JOIN) | {"stringData": {"token": layout.token, "hub-ca": layout.pin}}


def _own_secret() -> Json:
    """Empty: the agent fills it, and applying this again leaves that as it is."""
    return _secret(AGENT)


def _secret(name: str) -> Json:
    metadata = {"name": name, "namespace": SYSTEM_NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata}


def _deployment(layout: AgentLayout) -> Json:
    selector = {"app.kubernetes.io/name": "atoll", "app.kubernetes.io/component": "agent"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": AGENT, "namespace": SYSTEM_NAMESPACE},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},  # of two agents of one cluster the later one is heard
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": selector}, "spec": _pod(layout)},
        },
    }


def _pod(layout: AgentLayout) -> Json:
    return {
        "serviceAccountName": layout.account,
        "automountServiceAccountToken": True,
        "securityContext": {**AS_NOBODY, "fsGroup": USER},
        "terminationGracePeriodSeconds": 20,
        "containers": [_container(layout)],
        # keys are handed to OpenSSL through files: in memory, never on a disk
        "volumes": [{"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}} for name in ("state", "tmp")],
    }


def _container(layout: AgentLayout) -> Json:
    return {
        "name": "agent",
        "image": layout.image,
        "imagePullPolicy": "IfNotPresent",
        "args": [
            "agent",
            "run",
            f"--hub={layout.address}",
            f"--cluster={layout.cluster}",
            f"--rights={layout.rights}",
            f"--state-secret={AGENT}",
            f"--health-address=:{METRICS_PORT}",
            "--log-format=json",
        ],
        "env": [
            {"name": "ATOLL_AGENT_STATE", "value": f"{FOLDER}/agent"},
            _from_secret("ATOLL_AGENT_TOKEN", "token"),
            _from_secret("ATOLL_AGENT_HUB_CA", "hub-ca"),
            *_proxy(layout.proxy),
        ],
        "ports": [{"name": "health", "containerPort": METRICS_PORT, "protocol": "TCP"}],
        "livenessProbe": liveness("health"),
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "health"}, "periodSeconds": 5},
        # no limit of CPU: throttled pings are lost connections
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": CONFINED,
        "volumeMounts": [
            {"name": "state", "mountPath": FOLDER},
            TMP,
        ],
    }


def _proxy(url: str) -> list[Json]:
    """The way to the hub only: the API server is near."""
    if not url:
        return []
    return [{"name": "HTTPS_PROXY", "value": url}, {"name": "NO_PROXY", "value": "$(KUBERNETES_SERVICE_HOST)"}]


def _from_secret(variable: str, key: str) -> Json:
    """Optional: once the agent is in, the Secret may go."""
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": JOIN, "key": key, "optional": True}}}


def _labelled(body: Json, layout: AgentLayout) -> Json:
    metadata = body["metadata"]
    labels = {PART_OF: "atoll", VERSION_LABEL: __version__, LABEL_AGENT_OF: layout.hub}
    return body | {"metadata": metadata | {"labels": labels | metadata.get("labels", {})}}
