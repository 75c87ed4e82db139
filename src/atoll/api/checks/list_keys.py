"""Lists whose items have keys: server-side apply refuses an object in which two items have the same.

The lists are those that Kubernetes' own types declare with `x-kubernetes-list-type: map` and that people write.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from atoll.api.checks.case import Case, Placed
from atoll.api.issues import Issue
from atoll.api.podspec import PodSpec, items, pod_spec


class KeyedList(NamedTuple):
    """A list, the fields that are its items' key, and what the API server takes for a field that isn't given."""

    field: str
    keys: tuple[str, ...]
    defaults: Mapping[str, Any] = {}


_NAME = ("name",)
_TCP = {"protocol": "TCP"}

IN_PODS = (
    KeyedList("containers", _NAME),
    KeyedList("initContainers", _NAME),
    KeyedList("volumes", _NAME),
    KeyedList("imagePullSecrets", _NAME),
    KeyedList("hostAliases", ("ip",)),
    KeyedList("topologySpreadConstraints", ("topologyKey", "whenUnsatisfiable")),
    KeyedList("resourceClaims", _NAME),
)
IN_CONTAINERS = (
    KeyedList("env", _NAME),
    KeyedList("ports", ("containerPort", "protocol"), _TCP),
    KeyedList("volumeMounts", ("mountPath",)),
    KeyedList("volumeDevices", ("devicePath",)),
)
IN_KINDS = {
    ("v1", "Service"): ("spec", KeyedList("ports", ("port", "protocol"), _TCP)),
    ("v1", "ServiceAccount"): ("", KeyedList("secrets", _NAME)),
}


def list_keys(case: Case) -> Iterator[Issue]:
    for placed in case.objects:
        pod = pod_spec(placed.body)
        if pod is not None:
            yield from _in_pod(placed, pod)
        where, keyed = IN_KINDS.get((str(placed.body.get("apiVersion")), str(placed.body.get("kind"))), ("", None))
        parent = placed.body.get(where) if where else placed.body
        if keyed is not None and isinstance(parent, dict):
            yield from _repeated(placed, parent, where, keyed)


def _in_pod(placed: Placed, pod: PodSpec) -> Iterator[Issue]:
    for keyed in IN_PODS:
        yield from _repeated(placed, pod.body, pod.path, keyed)
    for path, container in pod.containers():
        for keyed in IN_CONTAINERS:
            yield from _repeated(placed, container, path, keyed)


def _repeated(placed: Placed, parent: Mapping[str, Any], path: str, keyed: KeyedList) -> Iterator[Issue]:
    seen: dict[tuple[str, ...], int] = {}
    for index, item in enumerate(items(parent, keyed.field)):
        values = {key: item.get(key, keyed.defaults.get(key)) for key in keyed.keys}
        if None in values.values():
            continue
        first = seen.setdefault(tuple(str(value) for value in values.values()), index)
        if first != index:
            named = ", ".join(f"{key} {value}" for key, value in values.items())
            place = ".".join(part for part in (path, keyed.field) if part)
            yield Issue(
                f"{placed.path}.{place}[{index}]",
                f"{named} is in {place} of {placed.id} twice, first as [{first}]: server-side apply refuses that",
            )
