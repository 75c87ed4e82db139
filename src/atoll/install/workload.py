"""The hub's processes on a cluster: two, of which one leads and both answer the webhook."""

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.api.objects import Json
from atoll.install.layout import (
    AGENTS,
    AGENTS_PORT,
    HUB,
    MEMBERS,
    METRICS_PORT,
    SELECTOR,
    WEBHOOK_PORT,
    WEBHOOK_SERVICE_PORT,
    Layout,
    meta,
)
from atoll.install.pods import AS_NOBODY, CONFINED, TMP, liveness

REPLICAS = 2


def service_account(layout: Layout) -> Json:
    """Its token is mounted where the Deployment says so, not in every Pod that takes this account."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": meta(HUB, layout.namespace),
        "automountServiceAccountToken": False,
    }


def deployment(layout: Layout) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta(HUB, layout.namespace),
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": SELECTOR},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": SELECTOR}, "spec": _pod(layout)},
        },
    }


def _pod(layout: Layout) -> Json:
    return {
        "serviceAccountName": HUB,
        "automountServiceAccountToken": True,
        "securityContext": AS_NOBODY,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": SELECTOR},
            }
        ],
        "terminationGracePeriodSeconds": 30,
        "containers": [_container(layout)],
        # the webhook's key is handed to OpenSSL through a file: in memory, never on a disk
        "volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}],
    }


def _container(layout: Layout) -> Json:
    return {
        "name": "hub",
        "image": layout.image,
        "imagePullPolicy": "IfNotPresent",
        "args": [
            "hub",
            f"--metrics-address=:{METRICS_PORT}",
            f"--webhook-address=:{WEBHOOK_PORT}",
            f"--webhook-service={layout.namespace}/{HUB}",
            *((f"--agents-address=:{AGENTS_PORT}",) if layout.agents else ()),
            *(f"--agents-host={host}" for host in layout.agents),
            *((f"--kubefed={layout.kubefed}",) if layout.kubefed else ()),
            "--log-format=json",
        ],
        "ports": [
            {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
            {"name": "webhook", "containerPort": WEBHOOK_PORT, "protocol": "TCP"},
            *([{"name": "agents", "containerPort": AGENTS_PORT, "protocol": "TCP"}] if layout.agents else []),
        ],
        "livenessProbe": liveness("metrics"),
        # a standby is ready, too: it answers the webhook, and a rollout must not wait for it to lead
        "readinessProbe": {"httpGet": {"path": "/readyz?standby=ok", "port": "metrics"}, "periodSeconds": 5},
        # no limit of CPU: being throttled while holding a Lease is how leaders lose it
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": CONFINED,
        "volumeMounts": [TMP],
    }


def service(layout: Layout) -> Json:
    """Metrics for whoever scrapes, the webhook for the API server."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta(HUB, layout.namespace),
        "spec": {
            "selector": SELECTOR,
            "ports": [
                {"name": "webhook", "port": WEBHOOK_SERVICE_PORT, "targetPort": "webhook", "protocol": "TCP"},
                {"name": "metrics", "port": METRICS_PORT, "targetPort": "metrics", "protocol": "TCP"},
            ],
        },
    }


def agents_service(layout: Layout) -> Json:
    """Where agents come in, from outside the cluster; whichever process gets a connection, it ends at the leader."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta(AGENTS, layout.namespace),
        "spec": {
            "type": "LoadBalancer",
            "selector": SELECTOR,
            "ports": [{"name": "agents", "port": AGENTS_PORT, "targetPort": "agents", "protocol": "TCP"}],
        },
    }


def members_account() -> Json:
    """Nobody runs as it, and it has no rights: who may have a token of it may look into members."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": meta(MEMBERS, SYSTEM_NAMESPACE),
        "automountServiceAccountToken": False,
    }


def disruption_budget(layout: Layout) -> Json:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": meta(HUB, layout.namespace),
        "spec": {"minAvailable": 1, "selector": {"matchLabels": SELECTOR}},
    }


def network_policy(layout: Layout) -> Json:
    """Ingress only: the hub dials members, wherever they are."""
    names = ("metrics", "webhook", *(("agents",) if layout.agents else ()))
    ports = [{"protocol": "TCP", "port": name} for name in names]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta(HUB, layout.namespace),
        "spec": {"podSelector": {"matchLabels": SELECTOR}, "policyTypes": ["Ingress"], "ingress": [{"ports": ports}]},
    }
