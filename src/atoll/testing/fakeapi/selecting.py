"""Label and field selectors as they are in URLs: `a=b,c!=d,e in (f,g),h,!i`."""

import re
from collections.abc import Callable

from atoll.api.objects import Json
from atoll.testing.fakeapi.refusals import bad_request

Match = Callable[[Json], bool]

_SET = re.compile(r"([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)\Z")
_PARTS = re.compile(r",(?![^(]*\))")
FIELDS: dict[str, tuple[str, ...]] = {
    "metadata.name": ("metadata", "name"),
    "metadata.namespace": ("metadata", "namespace"),
    "spec.nodeName": ("spec", "nodeName"),
    "status.phase": ("status", "phase"),
    "type": ("type",),
    "involvedObject.uid": ("involvedObject", "uid"),
    "involvedObject.name": ("involvedObject", "name"),
    "involvedObject.kind": ("involvedObject", "kind"),
    "reason": ("reason",),
}


def selector(labels: str, fields: str) -> Match:
    """Whether an object is selected by both; "" selects all. Raises Refusal (400) for what it can't read."""
    tests = [_label(part.strip()) for part in _PARTS.split(labels) if part.strip()]
    checks = [_field(part.strip()) for part in fields.split(",") if part.strip()]

    def match(body: Json) -> bool:
        own = body["metadata"].get("labels") or {}
        return all(test(own) for test in tests) and all(check(body) for check in checks)

    return match


def _label(part: str) -> Callable[[dict[str, str]], bool]:
    if found := _SET.match(part):
        key, operator, listed = found.groups()
        values = {value.strip() for value in listed.split(",")}
        if operator == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if "!=" in part:
        key, value = (side.strip() for side in part.split("!=", 1))
        return lambda labels: labels.get(key) != value
    if "=" in part:
        key, value = (side.strip() for side in part.replace("==", "=").split("=", 1))
        return lambda labels: labels.get(key) == value
    if part.startswith("!"):
        return lambda labels: part[1:].strip() not in labels
    if re.fullmatch(r"[\w./-]+", part):
        return lambda labels: part in labels
    raise bad_request(f"unable to parse requirement: {part}")


def _field(part: str) -> Match:
    wanted = "!=" not in part
    key, _, value = part.replace("!=", "=").replace("==", "=").partition("=")
    if key not in FIELDS:
        raise bad_request(f'field label not supported: "{key}"')
    return lambda body: (_at(body, FIELDS[key]) == value) is wanted


def _at(body: Json, path: tuple[str, ...]) -> str:
    value: object = body
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return str(value or "")
