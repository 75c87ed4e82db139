"""One object's change, as a unified diff of YAML."""

import difflib

import msgspec

from atoll.api.manifests import dump
from atoll.api.objects import Json
from atoll.pull.protocol import Change


def text_of(change: Change) -> str:
    """The diff; a trouble as a comment."""
    about = change.id
    name = f"{change.cluster}/{about.namespace + '/' if about.namespace else ''}{about}"
    if change.trouble:
        return f"# {name}: {change.trouble}\n"
    old, new = _lines(change.before), _lines(change.after)
    note = f"# {name}: {change.note}\n" if change.note else ""
    return note + "".join(difflib.unified_diff(old, new, f"live/{name}", f"planned/{name}"))


def _lines(body: Json | None) -> list[str]:
    return dump([_sorted(body)]).splitlines(keepends=True) if body is not None else []


def _sorted(body: Json) -> Json:
    """Keys in one order, so that only contents differ."""
    result: Json = msgspec.json.decode(msgspec.json.encode(body, order="deterministic"))
    head: Json = {k: result.pop(k) for k in ("apiVersion", "kind", "metadata") if k in result}
    return {**head, **result}
