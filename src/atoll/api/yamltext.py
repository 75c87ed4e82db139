"""YAML and JSON as kubectl reads them.

kubectl reads through sigs.k8s.io/yaml, whose parser is a port of libyaml and whose scalars are Go's: `yes`, `on` and
`y` are true, `0777` is octal, `1_000` is a number, dates and `12:30:45` are strings, `1.0` is the integer 1. A manifest
must mean the same to Atoll and to kubectl, so libyaml's events (PyYAML's C parser, or its Python twin where the wheel
has none) are composed here with Go's rules. ryaml and ruamel.yaml give YAML 1.2's: `replicas: 0777` or `enabled: on`
would arrive as something else, and no later step could tell `on` from `"on"`. `tests/fleet` compares this module with
kubectl.

Stricter than kubectl in three points, each of which hides a mistake: a key given twice, a merge key (`<<`) after a key
that it would override, and aliases that unfold to more than a million nodes.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import yaml

MAX_NODES = 1_000_000
MAX_DEPTH = 200
_INT64 = range(-(2**63), 2**63)
_UINT64 = 2**64

_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INTEGERS = (
    (re.compile(r"([-+]?)0[xX]([0-9a-fA-F]+)"), 16),
    (re.compile(r"([-+]?)0[bB]([01]+)"), 2),
    (re.compile(r"([-+]?)0[oO]?([0-7]+)"), 8),
    (re.compile(r"([-+]?)(0|[1-9][0-9]*)"), 10),
)
_PREFIX = "tag:yaml.org,2002:"

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlError(ValueError):
    """Text that is no YAML or JSON, or that means two things; says where."""


def read(text: str) -> list[Any]:
    """All documents of `text`, empty ones left out.

    Raises `YamlError`, with line and column.
    """
    text = text.removeprefix("\ufeff")
    if text.lstrip()[:1] == "{":
        try:
            return list(_json(text))
        except json.JSONDecodeError:
            pass  # a flow mapping in YAML begins like that too
        except RecursionError as error:
            raise YamlError("nested too deep") from error
    try:
        return [document for document in _documents(text) if document is not None]
    except yaml.YAMLError as error:
        raise YamlError(_reason(error)) from error


def resolve(text: str) -> Any:
    """What an unquoted scalar means."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    digits = text.replace("_", "")
    for pattern, base in _INTEGERS:
        if match := pattern.fullmatch(digits):
            integer = int(match[2], base) * (-1 if match[1] == "-" else 1)
            if -(2**63) <= integer < _UINT64:
                return _number(integer)
            break
    if _FLOAT.fullmatch(digits) and math.isfinite(float(digits)):
        return _number(float(digits))
    return text


def _number(number: float) -> int | float:
    """As it is after a trip through Go's JSON: whole numbers are integers while 64 bits hold them, else floats."""
    if isinstance(number, int):
        return number if number in _INT64 else float(number)
    if not number.is_integer():
        return number
    whole = int(Decimal(repr(number)))
    return whole if whole in _INT64 else number


def _json(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder(
        object_pairs_hook=_unique,
        parse_int=lambda digits: _number(int(digits)),
        parse_float=lambda digits: _number(float(digits)),
    )
    position = 0
    while (position := _skip(text, position)) < len(text):
        document, position = decoder.raw_decode(text, position)
        yield document


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise YamlError(f"the key {key!r} is given twice")
        result[key] = value
    return result


def _documents(text: str) -> Iterator[Any]:
    events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            yield _Composer(events).value(next(events), 0)


class _Composer:
    """One document's events → values. Aliases are copied, so that nothing is shared and a bomb is counted."""

    def __init__(self, events: Iterator[Any]) -> None:
        self.events = events
        self.anchors: dict[str, tuple[Callable[[], Any], int]] = {}
        self.nodes = 0

    def value(self, event: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise _at(event, f"nested deeper than {MAX_DEPTH}")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        before = self.nodes
        self._count(event, 1)
        if isinstance(event, yaml.MappingStartEvent):
            value: Any = self._mapping(depth)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(depth)
        else:
            value = _scalar(event)
        if event.anchor:
            frozen = json.dumps(value)
            self.anchors[event.anchor] = (lambda: json.loads(frozen), self.nodes - before)
        return value

    def _count(self, event: Any, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise _at(event, f"aliases unfold to more than {MAX_NODES:,} nodes")

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self.anchors:
            raise _at(event, f"the alias *{event.anchor} has no anchor before it")
        copy, size = self.anchors[event.anchor]
        self._count(event, size)
        return copy()

    def _sequence(self, depth: int) -> list[Any]:
        items = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.value(event, depth + 1))
        return items

    def _mapping(self, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: set[str] = set()
        seen_merge = False
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            if _is_merge(event):
                if seen_merge:
                    raise _at(event, "the key '<<' is given twice")
                seen_merge = True
                merged = self._merge(result, event, depth)
                continue
            key = self._key(event, depth)
            value = self.value(next(self.events), depth + 1)
            if key in result and key not in merged:
                raise _at(event, f"the key {key!r} is given twice")
            merged.discard(key)
            result[key] = value
        return result

    def _merge(self, into: dict[str, Any], event: Any, depth: int) -> set[str]:
        """Copies what `<<` names; of several mappings the first that has a key wins."""
        source = self.value(next(self.events), depth + 1)
        mappings = source if isinstance(source, list) else [source]
        if not all(isinstance(mapping, dict) for mapping in mappings):
            raise _at(event, "'<<' takes a mapping or a list of mappings")
        merged: dict[str, Any] = {}
        for mapping in mappings:
            merged = {**mapping, **merged}
        if both := sorted(into.keys() & merged.keys()):
            raise _at(event, f"'<<' would override {both[0]!r}: write '<<' first, so that what follows wins")
        into.update(merged)
        return set(merged)

    def _key(self, event: Any, depth: int) -> str:
        key = self.value(event, depth + 1)
        if isinstance(key, bool):
            return "true" if key else "false"
        if isinstance(key, int | float):
            return _go_number(key)
        if isinstance(key, str):
            return key
        raise _at(event, "a key is a string")


def _is_merge(event: Any) -> bool:
    if not isinstance(event, yaml.ScalarEvent) or event.value != "<<":
        return False
    return event.tag == f"{_PREFIX}merge" or (not event.tag and bool(event.implicit[0]))


def _scalar(event: Any) -> Any:
    plain = event.implicit[0] and event.style in (None, "")
    tag = (event.tag or "").removeprefix(_PREFIX)
    if not tag:
        value = resolve(event.value) if plain else event.value
    elif tag == "binary":
        value = _binary(event)
    else:
        value = _tagged(tag, event)
    if isinstance(value, float) and not math.isfinite(value):
        raise _at(event, f"{event.value} has no JSON")
    return value


def _tagged(tag: str, event: Any) -> Any:
    """A scalar whose tag says its type; foreign tags say nothing, as in kubectl."""
    value = resolve(event.value)
    match tag:
        case "int" if isinstance(value, int) and not isinstance(value, bool):
            return value
        case "float" if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        case "bool" if isinstance(value, bool):
            return value
        case "null" if value is None:
            return None
        case "int" | "float" | "bool" | "null":
            raise _at(event, f"{event.value!r} is no {tag}")
        case _:
            return event.value


def _binary(event: Any) -> str:
    try:
        return base64.b64decode("".join(event.value.split()), validate=True).decode(errors="replace")
    except binascii.Error as error:
        raise _at(event, "!!binary holds no base64") from error


def _go_number(number: float) -> str:
    """Go's text of a number, for keys."""
    if isinstance(number, int):
        return str(number)
    text = repr(number)
    return text if "e" in text or abs(number) < 1e21 else f"{number:e}"


def _at(event: Any, message: str) -> YamlError:
    mark = event.start_mark
    return YamlError(f"line {mark.line + 1}, column {mark.column + 1}: {message}")


def _reason(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else str(problem)
