"""What a live object has beyond what was sent: what its server adds, and what others do. `compare`'s other half."""

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from atoll.api.objects import Json
from atoll.deliver.compare import OWN_GROUPS, Difference, indexed, merge_keys

_ENVELOPE = frozenset({"apiVersion", "kind", "metadata", "status"})
_sorted = msgspec.json.Encoder(order="sorted").encode


def beyond(desired: Json, live: Json) -> list[Difference]:
    """Each place that only `live` has, with what is there: of its labels, and of everything but metadata and status."""
    group, _, _ = str(desired.get("apiVersion", "")).rpartition("/")
    own = group in OWN_GROUPS
    labels = (_part(desired, "metadata").get("labels") or {}, _part(live, "metadata").get("labels") or {})
    found = list(_mapping(*labels, "/metadata/labels", own=own))
    wanted, there = ({n: v for n, v in body.items() if n not in _ENVELOPE} for body in (desired, live))
    return found + list(_mapping(wanted, there, "", own=own))


def fingerprint(found: list[Difference]) -> str:
    """The same for the same places and values; "" for none."""
    return hashlib.blake2b(_sorted(found), digest_size=12).hexdigest() if found else ""


def _part(body: Json, name: str) -> Json:
    part = body.get(name)
    return part if isinstance(part, dict) else {}


def _mapping(desired: Json, live: Json, path: str, *, own: bool) -> Iterator[Difference]:
    for name, have in live.items():
        want = desired.get(name)
        if want is None:
            yield Difference(f"{path}/{name}", have)
        elif want != have:
            yield from _value(name, want, have, f"{path}/{name}", own=own)


def _value(name: str, want: Any, have: Any, path: str, *, own: bool) -> Iterator[Difference]:
    if isinstance(want, dict) and isinstance(have, dict):
        yield from _mapping(want, have, path, own=own)
    elif isinstance(want, list) and isinstance(have, list):
        keys = merge_keys(name, want, path) if own else ()
        theirs, ours = (indexed(have, keys), indexed(want, keys)) if keys else (None, None)
        if theirs is not None and ours is not None:
            for identity, item in theirs.items():
                where = f"{path}[{','.join(map(str, identity))}]"
                if identity in ours:
                    yield from _mapping(ours[identity], item, where, own=own)
                else:
                    yield Difference(where, item)
        elif len(want) == len(have):
            for index, (wanted, found) in enumerate(zip(want, have, strict=True)):
                if wanted != found:
                    yield from _value("", wanted, found, f"{path}[{index}]", own=own)
