"""Sets of fields of an object, as server-side apply knows them (structured-merge-diff's fieldpath).

A path is a tuple of FieldsV1's own words: `f:name` a field, `k:{"name":"web"}` an item of an associative list, `v:"x"`
a member of a set. Which lists are associative is in the API's schema; here it is known by name, for the usual kinds.
"""

from collections.abc import Iterator, Mapping
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
_ITEM = object()


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


def leaves(value: Any, field: str = "", at: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Each leaf with its value: scalars, atomic and empty things; items of associative lists count, too."""
    if isinstance(value, dict) and value and not is_atomic(field):
        for name, inner in value.items():
            yield from leaves(inner, name, (*at, f"f:{name}"))
    elif isinstance(value, list) and value and field in SETS:
        for member in value:
            yield (*at, member_path(member)), _ITEM
    elif isinstance(value, list) and value and (keys := keys_of(field, value)):
        for item in value:
            here = (*at, item_path(keys, item))
            yield here, _ITEM
            yield from leaves(item, "", here)
    elif at:
        yield at, value


UNOWNED = (
    ("f:apiVersion",),
    ("f:kind",),
    *(
        ("f:metadata", f"f:{name}")
        for name in (
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
        )
    ),
)
"""Nobody's fields: the server's, or the object's identity."""


def flatten(body: Json) -> dict[Path, Any]:
    """All leaves that somebody may own."""
    return {path: value for path, value in leaves(body) if path[:1] not in UNOWNED and path[:2] not in UNOWNED}


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
        if path[-1].startswith("k:"):
            node["."] = {}
    return tree


def decode(tree: Json, at: Path = ()) -> Iterator[Path]:
    """The paths of a FieldsV1."""
    if (not tree or "." in tree) and at:
        yield at
    for word, inner in tree.items():
        if word != ".":
            yield from decode(inner, (*at, word))


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
