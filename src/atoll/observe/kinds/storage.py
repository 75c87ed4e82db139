"""PersistentVolumeClaim and PersistentVolume."""

from atoll.api.objects import Json
from atoll.api.observation import ObjectHealth
from atoll.observe.reading import degraded, healthy, progressing, spec_of, status_of

PROVISIONERS = ("volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner")
"""Annotations that a claim gets when its provisioning begins: at once, or once its first Pod is scheduled."""


def claim(body: Json) -> ObjectHealth:
    """Pending is normal for a class that waits for the first Pod (WaitForFirstConsumer), until a Pod has come."""
    phase = status_of(body).get("phase")
    spec, annotations = spec_of(body), (body.get("metadata") or {}).get("annotations") or {}
    match phase:
        case "Bound":
            return healthy()
        case "Lost":
            return degraded("Lost", "its volume is lost")
        case "Pending" | None:
            if spec.get("volumeName") or any(name in annotations for name in PROVISIONERS):
                return progressing("Binding", "its volume is being provisioned")
            if spec.get("storageClassName"):
                return healthy("it waits for its first consumer", reason="WaitForFirstConsumer")
            return progressing("Binding", "no volume fits it yet, and it names no storage class")
    raise ValueError(f"phase {phase!r} is not known")


def volume(body: Json) -> ObjectHealth:
    status = status_of(body)
    match status.get("phase"):
        case "Failed":
            return degraded(str(status.get("reason") or "Failed"), str(status.get("message") or ""))
        case "Pending" | None:
            return progressing("Pending")
    return healthy()
