"""What one cluster allocated for a live object, and another must allocate anew: left out of selected objects.

A user who wants one of these fields everywhere writes the object inline, where what is written is meant.
"""

from collections.abc import Mapping

from atoll.api.editing import changed, found, without
from atoll.api.objects import GroupKind, Json
from atoll.intake.serverset import Rule, without_keys

HEADLESS = "None"
TOKEN_SECRET = "kubernetes.io/service-account-token"  # noqa: S105  # a Secret's type
TOKEN_VOLUME = "kube-api-access-"  # noqa: S105  # the beginning of a volume's name
NODE_LABELS = frozenset({"topology.kubernetes.io/region", "topology.kubernetes.io/zone"})  # PodTopologyLabels, 1.35
JOB_LABELS = frozenset(
    {"controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name"}
)


def drop_finalizers(body: Json) -> Json:
    """Those who wait for them are on the hub: on a member nobody would ever take them away."""
    return without(body, ("metadata", "finalizers"))


def drop_service_addresses(body: Json) -> Json:
    """Addresses and families; a headless Service stays headless."""
    if found(body, ("spec", "clusterIP")) != HEADLESS:
        body = without(without(body, ("spec", "clusterIP")), ("spec", "clusterIPs"))
    return without(body, ("spec", "ipFamilies"))


def drop_node_ports(body: Json) -> Json:
    body = without(body, ("spec", "healthCheckNodePort"))
    ports = found(body, ("spec", "ports"))
    if not isinstance(ports, list) or not any(isinstance(p, dict) and "nodePort" in p for p in ports):
        return body
    return changed(body, ("spec", "ports"), [without(p, ("nodePort",)) if isinstance(p, dict) else p for p in ports])


def drop_token_references(body: Json) -> Json:
    """A ServiceAccount's token Secrets."""
    return without(body, ("secrets",))


def drop_tokens(body: Json) -> Json:
    """A token Secret's content: credentials of the hub, which a member must never see. It fills in its own."""
    if body.get("type") != TOKEN_SECRET:
        return body
    body = without_keys(body, ("data",), lambda key: key in {"token", "ca.crt", "namespace"})
    return without_keys(body, ("metadata", "annotations"), lambda key: key == "kubernetes.io/service-account.uid")


def drop_volume_binding(body: Json) -> Json:
    """A claim's volume, and what binding and provisioning noted."""
    body = without(body, ("spec", "volumeName"))
    return without_keys(body, ("metadata", "annotations"), _notes_binding)


def drop_job_identity(body: Json) -> Json:
    """The selector by the Job's own UID and the labels for it; a selector that the user made stays."""
    if found(body, ("spec", "manualSelector")) is True:
        return body
    body = without(body, ("spec", "selector"))
    for path in (("metadata", "labels"), ("spec", "template", "metadata", "labels")):
        body = without_keys(body, path, JOB_LABELS.__contains__)
    return body


def drop_namespace_lifecycle(body: Json) -> Json:
    body = without(body, ("spec", "finalizers"))
    return without_keys(body, ("metadata", "labels"), lambda key: key == "kubernetes.io/metadata.name")


def drop_scheduling(body: Json) -> Json:
    """A Pod's node, its labels for where that is, its priority as a number, and the token volume of admission."""
    body = without(without(body, ("spec", "nodeName")), ("spec", "priority"))
    body = without_keys(body, ("metadata", "labels"), NODE_LABELS.__contains__)
    volumes = found(body, ("spec", "volumes"))
    if not isinstance(volumes, list) or not any(_is_token(v, "name") for v in volumes):
        return body
    body = changed(body, ("spec", "volumes"), [v for v in volumes if not _is_token(v, "name")])
    for field in ("containers", "initContainers"):
        containers = found(body, ("spec", field))
        if isinstance(containers, list):
            body = changed(body, ("spec", field), [_unmounted(c) for c in containers])
    return body


def _notes_binding(annotation: str) -> bool:
    return annotation.startswith("pv.kubernetes.io/") or annotation in {
        "volume.kubernetes.io/selected-node",
        "volume.kubernetes.io/storage-provisioner",
        "volume.beta.kubernetes.io/storage-provisioner",
    }


def _is_token(entry: Mapping[str, object], key: str) -> bool:
    return str(entry.get(key, "")).startswith(TOKEN_VOLUME)


def _unmounted(container: Json) -> Json:
    mounts = [m for m in container.get("volumeMounts") or () if not _is_token(m, "name")]
    return {**container, "volumeMounts": mounts} if mounts else without(container, ("volumeMounts",))


BY_KIND: Mapping[GroupKind, tuple[Rule, ...]] = {
    GroupKind("", "Service"): (drop_service_addresses, drop_node_ports),
    GroupKind("", "ServiceAccount"): (drop_token_references,),
    GroupKind("", "Secret"): (drop_tokens,),
    GroupKind("", "PersistentVolumeClaim"): (drop_volume_binding,),
    GroupKind("", "Namespace"): (drop_namespace_lifecycle,),
    GroupKind("", "Pod"): (drop_scheduling,),
    GroupKind("batch", "Job"): (drop_job_identity,),
}
