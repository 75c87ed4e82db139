"""Fields and types, and the rules of shape that the CRD carries: the same texts, evaluated without an API server."""

import difflib
import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache, reduce
from operator import getitem
from typing import Any, cast

import msgspec

from atoll.api.application import Application
from atoll.api.expressions import Expression, ExpressionError
from atoll.api.issues import Issue
from atoll.api.objects import Json
from atoll.api.schema import VALIDATIONS, Schema, struct_schema

_PLACE = re.compile(r" - at `(?:key in )?\$?(.*?)`$", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")
SMALL = 4096
"""Bytes of a spec without its manifests, up to which what was found of it is remembered."""
_STEP = re.compile(r"\.?([^.\[\]]+)|\[([^\]]*)\]")


def parse(body: Json) -> Application | Issue:
    """The Application, or the first thing that isn't of its form."""
    try:
        return msgspec.convert(body, Application)
    except msgspec.ValidationError as error:
        return _issue(_with_keys(body, str(error)))


def shape(body: Json) -> Iterable[Issue]:
    """Where a rule of shape doesn't hold. None looks into a manifest: of many Applications, all else is the same."""
    spec = body.get("spec") or {}
    if isinstance(spec, dict) and isinstance(manifests := spec.get("manifests"), list):
        spec = {**spec, "manifests": [_leaf(each) for each in manifests]}
    try:
        text = msgspec.json.encode(spec)
    except (TypeError, ValueError, OverflowError):  # nothing that JSON can say, such as an integer of 20 digits
        return _walk(_of_spec(), spec, "spec")
    return _shape(text) if len(text) <= SMALL else _walk(_of_spec(), spec, "spec")


@lru_cache(maxsize=1024)
def _shape(spec: bytes) -> tuple[Issue, ...]:
    return tuple(_walk(_of_spec(), msgspec.json.decode(spec), "spec"))


def _of_spec() -> Schema:
    part: Schema = schema()["properties"]["spec"]
    return part


@cache
def schema() -> Schema:
    return struct_schema(Application)


def _walk(part: Schema, value: Any, path: str) -> Iterator[Issue]:
    if not _ruled(part):
        return
    for rule in part.get(VALIDATIONS, ()):
        if not _holds(rule["rule"], value):
            yield Issue(path + rule.get("fieldPath", ""), rule["message"])
    if isinstance(value, dict):
        for name, field in part.get("properties", {}).items():
            if value.get(name) is not None and _ruled(field):
                yield from _walk(field, value[name], f"{path}.{name}")
        if "additionalProperties" in part:
            for name, item in value.items():
                yield from _walk(part["additionalProperties"], item, f"{path}[{name}]")
    elif isinstance(value, list | tuple) and "items" in part:
        for index, item in enumerate(value):
            yield from _walk(part["items"], item, f"{path}[{index}]")


_RULED: dict[int, bool] = {}
"""By identity of a part of `schema()`, which stays as it is."""


def _ruled(part: Schema) -> bool:
    """Whether there are rules in it, or in what is in it."""
    known = _RULED.get(id(part))
    if known is None:
        inner = [*part.get("properties", {}).values(), part.get("items"), part.get("additionalProperties")]
        known = bool(part.get(VALIDATIONS)) or any(_ruled(each) for each in inner if isinstance(each, dict))
        _RULED[id(part)] = known
    return known


def _holds(rule: str, value: Any) -> bool:
    outline = _outline(value)
    try:
        text = msgspec.json.encode(outline)
    except (TypeError, ValueError, OverflowError):  # nothing that JSON can say, such as an integer of 20 digits
        return _evaluate(rule, outline)
    return _verdict(rule, text)


@lru_cache(maxsize=4096)
def _verdict(rule: str, outline: bytes) -> bool:
    """Remembered, since Applications are read again and again, and most differ only deeper than rules look."""
    return _evaluate(rule, msgspec.json.decode(outline))


def _evaluate(rule: str, outline: Any) -> bool:
    try:
        return Expression.compile(rule, "self").matches(self=outline)
    except ExpressionError:  # a field that the rule reads is missing or of another type, which `parse` has said
        return False


def _outline(value: Any) -> Any:
    """`value` without nulls, which count as absent, and without what lies deeper than rules look."""
    if not isinstance(value, dict):
        return value
    return {name: _leaves(field) for name, field in value.items() if field is not None}


def _leaves(value: Any) -> Any:
    match value:
        case dict():
            return {key: _leaf(item) for key, item in value.items()}
        case list() | tuple():
            return [_leaf(item) for item in value]
        case _:
            return value


def _leaf(value: Any) -> Any:
    return {} if isinstance(value, dict | list | tuple) else value


def _issue(message: str) -> Issue:
    """The message of msgspec, its place as a path."""
    place = _PLACE.search(message)
    path = place[1].lstrip(".") if place else ""
    text = _PLACE.sub("", message)
    unknown = _UNKNOWN.fullmatch(text)
    if unknown is None:
        return Issue(path or "spec", text[:1].lower() + text[1:])
    known = list(_at(path).get("properties", {}))
    near = difflib.get_close_matches(unknown[1], known, n=1)
    advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    return Issue(f"{path}.{unknown[1]}".lstrip("."), f"unknown field: {advice}")


def _with_keys(body: Json, message: str) -> str:
    """The message with the keys of maps in its place, which msgspec leaves out: `env[...]` → `env[web]`."""
    place = _PLACE.search(message)
    if place is None or "[...]" not in place[1]:
        return message
    steps: list[str | int] = []
    path = ""
    for name, index in _STEP.findall(place[1]):
        if index == "...":
            key, body = _culprit(body, steps, message)
            steps.append(key)
            path += f"[{key}]"
        else:
            steps.append(name or int(index))
            path += f".{name}" if name else f"[{index}]"
    return message.replace(place[1], path)


def _culprit(body: Json, steps: list[str | int], message: str) -> tuple[str, Json]:
    """The key of the map at `steps` that alone gives the message too, and the body with no other key there."""
    there = reduce(getitem, steps, cast("Any", body))
    for key in there:
        trial: Any = msgspec.json.decode(msgspec.json.encode(body))
        reduce(getitem, steps[:-1], trial)[steps[-1]] = {key: there[key]}
        try:
            msgspec.convert(trial, Application)
        except msgspec.ValidationError as error:
            if str(error) == message:
                return key, trial
    return "...", body


def _at(path: str) -> Schema:
    """The schema of the place that a path names."""
    part = schema()
    for name, _ in _STEP.findall(path):
        part = (
            part.get("properties", {}).get(name, {})
            if name
            else part.get("items") or part.get("additionalProperties", {})
        )
    return part
