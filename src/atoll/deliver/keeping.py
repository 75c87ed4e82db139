"""What of a live object is kept when it is replaced as a whole: what the member, or somebody there, has put into it.

Always finalizers, annotations, owners and status; of each kind what its server allocates and then never changes, or
what a controller of the member owns; and the fields that the application retains. All else is as it was sent.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from atoll.api.objects import GroupKind, Json
from atoll.deliver.compare import indexed, merge_keys
from atoll.deliver.retain import lookup, omit, split
from atoll.deliver.stamp import NOTES

Keep = Callable[[Json, Json], Json]
"""Of a desired and a live object: the desired one with what is to be kept."""


def kept(desired: Json, live: Json, retained: Collection[str] = ()) -> Json:
    """`desired` with what is kept of `live`. `retained` are JSON pointers: there it becomes as `live` is.

    Neither is changed. Raises TypeError, KeyError or AttributeError when one of them hasn't the shape of its kind.
    """
    body = {**desired, "metadata": _metadata(desired["metadata"], live["metadata"])}
    if "status" in live and "status" not in body:  # a subresource, or else it would go
        body["status"] = live["status"]
    group, _, _ = str(desired.get("apiVersion", "")).rpartition("/")
    if (keep := _OF_KIND.get(GroupKind(group, str(desired.get("kind", ""))))) is not None:
        body = keep(body, live)
    for pointer in sorted(retained):
        parts = split(pointer)
        value = lookup(live, parts, desired)
        body = omit(body, parts) if value is None else _put(body, parts, value)
    return body


def _metadata(desired: Json, live: Json) -> Json:
    annotations = {name: text for name, text in (live.get("annotations") or {}).items() if name not in NOTES}
    annotations |= desired.get("annotations") or {}
    finalizers = list(desired.get("finalizers") or ())
    finalizers += [name for name in live.get("finalizers") or () if name not in finalizers]
    owners = desired.get("ownerReferences") or live.get("ownerReferences")
    fields = {"annotations": annotations, "finalizers": finalizers, "ownerReferences": owners}
    return desired | {field: value for field, value in fields.items() if value}


def _put(body: Any, parts: tuple[str, ...], value: Any) -> Any:
    """`body` with `value` at `parts`; objects on the way are made, array elements are not."""
    if not parts:
        return value
    head, rest = parts[0], parts[1:]
    if isinstance(body, list):
        index = int(head) if head.isdigit() else len(body)
        return [*body[:index], *(_put(found, rest, value) for found in body[index : index + 1]), *body[index + 1 :]]
    return {**body, head: _put(body.get(head) or {}, rest, value)}


def overlaid(live: Any, desired: Any, key: str = "", path: str = "") -> Any:
    """`live` with all that `desired` says: what only `live` has stays. Elements of lists go by their keys."""
    if isinstance(live, dict) and isinstance(desired, dict):
        merged = {name: overlaid(live.get(name), value, name, f"{path}/{name}") for name, value in desired.items()}
        return {**live, **merged}
    if isinstance(live, list) and isinstance(desired, list):
        keys = merge_keys(key, desired, path)
        theirs, ours = (indexed(live, keys), indexed(desired, keys)) if keys else (None, None)
        if theirs is not None and ours is not None:
            both = [overlaid(theirs.get(name), item) for name, item in ours.items()]
            return both + [item for name, item in theirs.items() if name not in ours]
    return desired


# By kind


def _service(body: Json, live: Json) -> Json:
    """What it was allocated: a template that was taken from another cluster names that one's."""
    theirs, spec = live.get("spec") or {}, dict(body.get("spec") or {})
    kind = spec.get("type") or "ClusterIP"
    if kind != "ExternalName":
        spec |= {name: theirs[name] for name in ("clusterIP", "clusterIPs") if theirs.get(name)}
    if kind == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local" and theirs.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = theirs["healthCheckNodePort"]
    if kind in {"NodePort", "LoadBalancer"} and spec.get("ports"):
        ports = {_port(port): port["nodePort"] for port in theirs.get("ports") or () if port.get("nodePort")}
        spec["ports"] = [
            {**port, "nodePort": ports[_port(port)]} if _port(port) in ports else port for port in spec["ports"]
        ]
    return {**body, "spec": spec}


def _port(port: Json) -> tuple[Any, ...]:
    return port.get("name", ""), port.get("protocol", "TCP"), port.get("port")


def _service_account(body: Json, live: Json) -> Json:
    """Token Secrets that its controller makes: taken away, they would be made anew for ever."""
    return {**body, "secrets": live["secrets"]} if live.get("secrets") and not body.get("secrets") else body


def _claim(body: Json, live: Json) -> Json:
    """The volume it was bound to, and what can't be changed."""
    return {**body, "spec": overlaid(live.get("spec") or {}, body.get("spec") or {}, path="/spec")}


def _job(body: Json, live: Json) -> Json:
    """The selector and the labels by which its controller knows its Pods."""
    spec, theirs = body.get("spec") or {}, live.get("spec") or {}
    template = overlaid(theirs.get("template") or {}, spec.get("template") or {}, path="/spec/template")
    own = {name: theirs[name] for name in ("selector", "manualSelector") if name in theirs and name not in spec}
    return {**body, "spec": {**spec, **own, "template": template}}


def _cluster_role(body: Json, live: Json) -> Json:
    """Rules that a controller gathers."""
    return {**body, "rules": live["rules"]} if body.get("aggregationRule") and live.get("rules") else body


_OF_KIND: Mapping[GroupKind, Keep] = {
    GroupKind("", "Service"): _service,
    GroupKind("", "ServiceAccount"): _service_account,
    GroupKind("", "PersistentVolumeClaim"): _claim,
    GroupKind("", "PersistentVolume"): _claim,
    GroupKind("", "Pod"): _claim,
    GroupKind("batch", "Job"): _job,
    GroupKind("rbac.authorization.k8s.io", "ClusterRole"): _cluster_role,
}
