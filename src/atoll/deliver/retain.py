"""Retained fields: those that belong to somebody on the member after creation, such as an autoscaler's replicas.

Leaving a field out that only we own would remove it: a Deployment would fall to one replica. So the live value is first
applied under the manager `atoll-handover`; then ours omits it; the handover goes once somebody else owns the field.
"""

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from atoll.api.application import Retain
from atoll.api.differences import Target
from atoll.api.names import FIELD_MANAGER, HANDOVER_MANAGER
from atoll.api.objects import Json, Manifest
from atoll.deliver.ownership import Entry
from atoll.deliver.stamp import Item

REPLICAS = "/spec/replicas"
NOTHING: frozenset[str] = frozenset()


def pointers_for(manifest: Manifest, retain: Collection[Retain]) -> frozenset[str]:
    """The JSON pointers of `manifest`'s retained fields."""
    return frozenset(entry.path for entry in retain if _matches(entry.target, manifest)) if retain else NOTHING


def _matches(target: Target, manifest: Manifest) -> bool:
    return (
        target.api_version in {"", manifest.api_version}
        and target.kind in {"", manifest.id.kind}
        and target.name in {"", manifest.id.name}
        and target.namespace in {"", manifest.id.namespace}
    )


def split(pointer: str) -> tuple[str, ...]:
    """RFC 6901."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


def omit(body: Any, parts: tuple[str, ...]) -> Any:
    """`body` without the field; what isn't on the way is shared, and a field that isn't there changes nothing."""
    head, rest = parts[0], parts[1:]
    if isinstance(body, dict) and head in body:
        if not rest:
            return {key: value for key, value in body.items() if key != head}
        return {**body, head: omit(body[head], rest)}
    if isinstance(body, list) and head.isdigit() and int(head) < len(body):
        index = int(head)
        middle = [] if not rest else [omit(body[index], rest)]
        return [*body[:index], *middle, *body[index + 1 :]]
    return body


def lookup(body: Any, parts: tuple[str, ...], shape: Any = None) -> Any:
    """The value in `body`, or None. A list's element is the one named as that in `shape`, else the index's."""
    for part in parts:
        if isinstance(body, dict):
            body = body.get(part)
            shape = shape.get(part) if isinstance(shape, dict) else None
        elif isinstance(body, list) and part.isdigit():
            wanted = shape[int(part)] if isinstance(shape, list) and int(part) < len(shape) else None
            body = _same_element(body, int(part), wanted)
            shape = wanted
        else:
            return None
    return body


def _same_element(elements: list[Any], index: int, wanted: Any) -> Any:
    name = wanted.get("name") if isinstance(wanted, dict) else None
    if name is not None:
        return next((e for e in elements if isinstance(e, dict) and e.get("name") == name), None)
    return elements[index] if index < len(elements) else None


def steps(parts: tuple[str, ...], shape: Any) -> tuple[str, ...]:
    """The pointer in the words of managedFields; "" where it can't be told, and matches anything."""
    found: list[str] = []
    for part in parts:
        if isinstance(shape, list) and part.isdigit():
            shape = shape[int(part)] if int(part) < len(shape) else None
            name = shape.get("name") if isinstance(shape, dict) else None
            found.append(f"k:{msgspec.json.encode({'name': name}).decode()}" if name is not None else "")
        else:
            shape = shape.get(part) if isinstance(shape, dict) else None
            found.append(f"f:{part}")
    return tuple(found)


def handover(pointers: Iterable[str], found: tuple[Entry, ...], live: Json, desired: Json) -> tuple[str, ...] | None:
    """The fields that `atoll-handover` must hold before we let go of them, () when it holds some for nothing.

    None: nothing is to be done, it holds just what it must.
    """
    needed: set[str] = set()
    held: set[str] = set()
    for pointer in pointers:
        parts = split(pointer)
        if lookup(live, parts, desired) is None:
            continue
        owners = {e.manager for e in found if _reaches(e.fields_v1, steps(parts, desired))}
        if owners and owners <= {FIELD_MANAGER, HANDOVER_MANAGER}:
            needed.add(pointer)
        if HANDOVER_MANAGER in owners:
            held.add(pointer)
    return None if needed == held else tuple(sorted(needed))


def _reaches(fields: Json, path: tuple[str, ...]) -> bool:
    """Whether the tree owns the field at `path`, something beneath it, or an atomic value that holds it."""
    for part in path:
        if not part:
            return any(key != "." for key in fields)
        below = fields.get(part)
        if below is None:
            return False
        if not below:
            return True
        fields = below
    return True


def holding(item: Item, pointers: Iterable[str], live: Json) -> Json:
    """The body that `atoll-handover` applies: the live values at `pointers`, and nothing else."""
    metadata = {"name": item.id.name} | ({"namespace": item.id.namespace} if item.id.namespace else {})
    body: Json = {"apiVersion": item.api_version, "kind": item.id.kind, "metadata": metadata}
    for pointer in pointers:
        parts = split(pointer)
        _put(body, parts, lookup(live, parts, item.body), item.body)
    return body


def _put(body: Any, parts: tuple[str, ...], value: Any, shape: Any) -> None:
    """Set `value`, making what is on the way; an element of a list is made with its name alone."""
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if isinstance(shape, list) and part.isdigit():
            shape = shape[int(part)] if int(part) < len(shape) else {}
            if last:
                body.append(value)
                return
            name = shape.get("name") if isinstance(shape, dict) else None
            element = next((e for e in body if e.get("name") == name), None)
            if element is None:
                element = {"name": name}
                body.append(element)
            body = element
        else:
            shape = shape.get(part) if isinstance(shape, dict) else None
            if last:
                body[part] = value
                return
            body = body.setdefault(part, [] if isinstance(shape, list) else {})
