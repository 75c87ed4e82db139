"""What all Pods of Atoll have in common: as whom they run, what they may do on their node, when they are restarted."""

from atoll.api.objects import Json

USER = 65532
"""As in the Containerfile."""

AS_NOBODY: Json = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""A Pod's securityContext."""
CONFINED: Json = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
"""A container's securityContext."""
TMP: Json = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108  # the container's own


def liveness(port: str) -> Json:
    """Restarted after a minute without a sign of life at the port of this name."""
    return {
        "httpGet": {"path": "/healthz", "port": port},
        "initialDelaySeconds": 10,
        "periodSeconds": 10,
        "failureThreshold": 6,
    }
