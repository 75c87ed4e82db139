"""Sets of fields of an object, as server-side apply knows them (structured-merge-diff's fieldpath).

A path is a tuple of FieldsV1's own words: `f:name` a field, `k:{"name":"web"}` an item of an associative list, `v:"x"`
a member of a set. Which lists are associative is in the API's schema; here it is known by name, for the usual kinds.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from atoll.api.objects import Json

Path = tuple[str, ...]
Fields = frozenset[Path]

LIST_KEYS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "containers": (("name",),),
    "initContainers": (("name",),),
    "ephemeralContainers": (("name",),),
    "env": (("name",),),
    "ports": (("containerPort", "protocol"), ("port", "protocol")),
    "volumes": (("name",),),
    "volumeMounts": (("mountPath",),),
    "volumeDevices": (("devicePath",),),
    "imagePullSecrets": (("name",),),
    "hostAliases": (("ip",),),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
    "conditions": (("type",),),
    "ownerReferences": (("uid",),),
    "secrets": (("name",),),
    "clusters": (("name",),),
}
SETS = frozenset({"finalizers"})
ATOMIC = frozenset({"selector", "nodeSelector", "matchLabels", "managedFields", "tolerations"})
DEFAULTS = {"protocol": "TCP"}
"""Keys that may be left out, and what they are then."""
ALWAYS_THERE = frozenset(
    tuple(f"f:{name}" for name in path.split("."))
    for path in (
        "metadata",
        "spec",
        "spec.strategy",
        "spec.template",
        "spec.template.metadata",
        "spec.template.spec",
        "spec.template.spec.containers",
        "status",
    )
)
"""Parts that a built-in object has even when it is empty: nobody brings them."""
_CONTAINER = "a part that has parts"


def keys_of(field: str, items: list[Any]) -> tuple[str, ...] | None:
    """The keys by which the items of the list `field` are told apart; None when the list is one atomic value."""
    for keys in LIST_KEYS.get(field, ()):
        if all(isinstance(item, dict) and all(k in item or k in DEFAULTS for k in keys) for item in items):
            return keys
    return None


def is_atomic(field: str) -> bool:
    return field in ATOMIC


def item_path(keys: tuple[str, ...], item: Json) -> str:
    values = {key: item.get(key, DEFAULTS.get(key)) for key in sorted(keys)}
    return "k:" + msgspec.json.encode(values).decode()


def member_path(value: Any) -> str:
    return "v:" + msgspec.json.encode(value).decode()


UNOWNED = frozenset(
    {
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
        "selfLink",
    }
)
"""Nobody's parts of the metadata: the server's, or the object's identity."""


def flatten(body: Json) -> dict[Path, Any]:
    """All parts that somebody may own, each with its value: scalars, atomic and empty things.

    What has parts itself only says that it is there.
    """
    always = ALWAYS_THERE if "." not in str(body.get("apiVersion", "")).partition("/")[0] else frozenset()
    found: dict[Path, Any] = {}
    for name, value in body.items():
        if name == "metadata" and value:
            _flatten_fields({n: v for n, v in value.items() if n not in UNOWNED}, ("f:metadata",), always, found)
        elif name not in {"apiVersion", "kind"}:
            _flatten(value, name, (f"f:{name}",), always, found)
    return found


def _flatten_fields(value: Json, at: Path, always: Fields, found: dict[Path, Any]) -> None:
    if at not in always:
        found[at] = _CONTAINER
    for name, inner in value.items():
        if isinstance(inner, dict | list):
            _flatten(inner, name, (*at, f"f:{name}"), always, found)
        else:
            found[*at, f"f:{name}"] = inner


def _flatten(value: Any, field: str, at: Path, always: Fields, found: dict[Path, Any]) -> None:
    if isinstance(value, dict) and value and field not in ATOMIC:
        _flatten_fields(value, at, always, found)
    elif isinstance(value, list) and value and field in SETS:
        found[at] = _CONTAINER
        for member in value:
            found[*at, member_path(member)] = member
    elif isinstance(value, list) and value and (keys := keys_of(field, value)):
        if at not in always:
            found[at] = _CONTAINER
        for item in value:
            _flatten(item, "", (*at, item_path(keys, item)), always, found)
    elif not (value == [] and (field in LIST_KEYS or field in SETS)):  # such a list is its items, and has none
        found[at] = value


def applied(body: Json) -> Fields:
    """What an applied configuration claims: its leaves, and the items of its lists, but no maps or lists as such."""
    return frozenset(p for p, value in flatten(body).items() if value is not _CONTAINER or p[-1].startswith("k:"))


def compare(old: Mapping[Path, Any], new: Mapping[Path, Any]) -> tuple[Fields, Fields]:
    """What was set (changed or added), and what was removed."""
    written = frozenset(path for path, value in new.items() if path not in old or old[path] != value)
    return written, frozenset(path for path in old if path not in new)


def encode(fields: Fields) -> Json:
    """As FieldsV1."""
    tree: Json = {}
    for path in sorted(fields):
        node = tree
        for word in path:
            node = node.setdefault(word, {})
    for path in fields:
        node = tree
        for word in path:
            node = node[word]
        if node:
            node["."] = {}
    _remember(tree, fields)
    return tree


def decode(tree: Json) -> Fields:
    """The paths of a FieldsV1. Bodies are never changed in place, so what a tree says is remembered for a while."""
    known = _KNOWN.get(id(tree))
    if known is not None and known[0] is tree:
        return known[1]
    found: list[Path] = []
    _decode(tree, (), found)
    return _remember(tree, frozenset(found))


_KNOWN: dict[int, tuple[Json, Fields]] = {}
MOST_KNOWN = 2000


def _remember(tree: Json, fields: Fields) -> Fields:
    if len(_KNOWN) >= MOST_KNOWN:
        _KNOWN.clear()
    _KNOWN[id(tree)] = (tree, fields)
    return fields


def _decode(tree: Json, at: Path, found: list[Path]) -> None:
    if (not tree or "." in tree) and at:
        found.append(at)
    for word, inner in tree.items():
        if word != ".":
            _decode(inner, (*at, word), found)


def shown(path: Path) -> str:
    """As causes name it: `.spec.containers[name="web"].image`."""
    text = ""
    for word in path:
        if word.startswith("f:"):
            text += f".{word[2:]}"
        elif word.startswith("k:"):
            keys = msgspec.json.decode(word[2:])
            text += "[" + ",".join(f"{k}={msgspec.json.encode(v).decode()}" for k, v in keys.items()) + "]"
        else:
            text += f"[={word[2:]}]"
    return text
