"""Drift: which of the desired values a live object does not have. Desired ⊆ live, as the API server writes values.

Servers rewrite what they are sent: quantities (`1000m` is `1`), empty and zero values that vanish, lists that others
add to. For Kubernetes' own kinds the common rewritings are known here. All others, and what mutating webhooks change,
show up once as differences in the answer to our own apply; the caller remembers those, see `Record.accepted`.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from atoll.api.objects import Json
from atoll.kube.quantity import parse_quantity


class Absent:
    """The type of ABSENT: the live object does not have the field."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent()


class Difference(NamedTuple):
    """One place: `path` such as `/spec/containers[name=app]/image`, and what is there now."""

    path: str
    live: Any


OWN_GROUPS = frozenset(
    {
        *("", "apps", "autoscaling", "batch", "extensions", "policy"),
        *("admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "certificates.k8s.io"),
        *("coordination.k8s.io", "discovery.k8s.io", "events.k8s.io", "flowcontrol.apiserver.k8s.io"),
        *("networking.k8s.io", "node.k8s.io", "rbac.authorization.k8s.io", "resource.k8s.io", "scheduling.k8s.io"),
        "storage.k8s.io",
    }
)
"""Groups that kube-apiserver serves from Go types: those rewrite values; custom resources stay as they were sent."""

_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
    "readinessGates": ("conditionType",),
    "webhooks": ("name",),
    "matchConditions": ("name",),
    "secrets": ("name",),
    "ownerReferences": ("uid",),
    "conditions": ("type",),
}
"""Lists that others may add to (x-kubernetes-list-type: map), by field name, in Kubernetes' own kinds."""
_CONTAINER_PORT = ("containerPort", "protocol")
_SERVICE_PORT = ("port", "protocol")
_KEY_DEFAULTS = {"protocol": "TCP"}

_QUANTITIES = frozenset(
    {
        *("requests", "limits", "capacity", "allocatable", "overhead", "hard"),
        *("default", "defaultRequest", "max", "min", "maxLimitRequestRatio"),
    }
)
_QUANTITY_FIELDS = frozenset({"sizeLimit", "averageValue", "divisor"})
_EMPTY_MEANS = frozenset(
    {"emptyDir", "podSelector", "namespaceSelector", "selector", "objectSelector", "securityContext"}
)
"""Empty maps that say something; other empty maps vanish on the server, or might as well."""
_ZERO_VANISHES = frozenset(
    {
        *("hostNetwork", "hostPID", "hostIPC", "stdin", "stdinOnce", "tty", "readOnly", "paused", "unschedulable"),
        *("publishNotReadyAddresses", "preserveUnknownFields", "deprecated", "default", "minReadySeconds", "weight"),
        *("initialDelaySeconds", "nodePort", "value", "subPath", "subPathExpr", "workingDir", "hostname", "subdomain"),
        *("externalName", "clusterIP", "loadBalancerIP", "nodeName", "schedulerName", "apiGroup", "namespace"),
    }
)
"""Fields whose false, 0 or "" the server leaves out."""
_ADDED_TO = frozenset({"finalizers"})


def differs(desired: Json, live: Json) -> list[str]:
    """The paths of `desired` that `live` does not have. Empty: no drift. Both are whole objects, of one version."""
    return [difference.path for difference in differences(desired, live)]


def differences(desired: Json, live: Json) -> list[Difference]:
    """As `differs`, with what is there instead."""
    group, _, _ = str(desired.get("apiVersion", "")).rpartition("/")
    walk = _Walk(own=group in OWN_GROUPS)
    if walk.own and "status" in desired:  # a subresource: what is sent with the object is dropped
        desired = {key: value for key, value in desired.items() if key != "status"}
    walk.mapping(desired, live, "")
    return walk.found


class _Walk:
    def __init__(self, *, own: bool) -> None:
        self.own = own
        self.found: list[Difference] = []

    def mapping(self, desired: Json, live: Json, path: str, *, quantities: bool = False) -> None:
        for key, want in desired.items():
            have = live.get(key, ABSENT)
            if want == have:
                continue
            if have is ABSENT:
                if not self._vanishes(key, want):
                    self.found.append(Difference(f"{path}/{key}", ABSENT))
            else:
                self._value(key, want, have, f"{path}/{key}", quantities=quantities)

    def _value(self, key: str, want: Any, have: Any, path: str, *, quantities: bool) -> None:
        if isinstance(want, dict) and isinstance(have, dict):
            self.mapping(want, have, path, quantities=self.own and (quantities or key in _QUANTITIES))
        elif isinstance(want, list) and isinstance(have, list):
            self._list(key, want, have, path)
        elif want is None:
            return  # null asks for nothing
        elif not (self.own and (quantities or key in _QUANTITY_FIELDS) and _same_quantity(want, have)):
            self.found.append(Difference(path, have))

    def _list(self, key: str, want: list[Any], have: list[Any], path: str) -> None:
        if key in _ADDED_TO:
            if not all(item in have for item in want):
                self.found.append(Difference(path, have))
            return
        keys = merge_keys(key, want, path) if self.own else ()
        by_key = indexed(have, keys) if keys else None
        wanted_by_key = indexed(want, keys) if keys else None
        if by_key is not None and wanted_by_key is not None:
            for identity, item in wanted_by_key.items():
                found = by_key.get(identity)
                where = f"{path}[{_named(keys, identity)}]"
                if found is None:
                    self.found.append(Difference(where, ABSENT))
                else:
                    self.mapping(item, found, where)
        elif len(want) != len(have):
            self.found.append(Difference(path, have))
        else:
            for index, (wanted, found) in enumerate(zip(want, have, strict=True)):
                if wanted != found:
                    self._value("", wanted, found, f"{path}[{index}]", quantities=False)

    def _vanishes(self, key: str, want: Any) -> bool:
        if want is None:
            return True
        if not self.own:
            return False
        if isinstance(want, dict):
            return key not in _EMPTY_MEANS and all(self._vanishes(name, value) for name, value in want.items())
        if isinstance(want, list):
            return not want
        return not want and key in _ZERO_VANISHES


def merge_keys(key: str, want: list[Any], path: str) -> tuple[str, ...]:
    """By which the elements of the list `key` at `path`, in one of Kubernetes' own kinds, are told apart; else ()."""
    if not want or not isinstance(want[0], dict):
        return ()
    if key == "ports":
        if "containerPort" in want[0]:
            return _CONTAINER_PORT
        # a Service's; network policies and endpoint slices own their whole list
        return _SERVICE_PORT if path == "/spec/ports" else ()
    return _KEYS.get(key, ())


def _identity(item: Any, keys: tuple[str, ...]) -> tuple[Any, ...] | None:
    if not isinstance(item, dict):
        return None
    identity = tuple(item.get(key, _KEY_DEFAULTS.get(key)) for key in keys)
    return None if None in identity or any(isinstance(part, (dict, list)) for part in identity) else identity


def indexed(items: list[Any], keys: tuple[str, ...]) -> dict[tuple[Any, ...], Json] | None:
    """By their keys; None when one lacks a key or two share one: then positions decide."""
    index: dict[tuple[Any, ...], Json] = {}
    for item in items:
        identity = _identity(item, keys)
        if identity is None or identity in index:
            return None
        index[identity] = item
    return index


def _named(keys: tuple[str, ...], identity: tuple[Any, ...]) -> str:
    return ",".join(f"{key}={value}" for key, value in zip(keys, identity, strict=True))


def _same_quantity(want: Any, have: Any) -> bool:
    if isinstance(want, (dict, list, bool)) or isinstance(have, (dict, list, bool)):
        return False
    try:
        wanted: Decimal = parse_quantity(want)
        return wanted == parse_quantity(have)
    except ValueError:
        return False
