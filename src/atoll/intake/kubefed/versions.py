"""The hashes of KubeFed's version records: MD5, in hex, of JSON as Go's `encoding/json` writes it, with a line's end.

Bytes matter: keys sorted, nothing between them, `<`, `>`, `&`, U+2028 and U+2029 escaped, floats in Go's shortest form.
Overrides pass through Go structs on their way: their keys come in the structs' order, what is empty is left out, and
every number in a value is a float64.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

_INT64 = range(-(2**63), 2**63)
_ESCAPED = re.compile('[\x00-\x1f"\\\\<>&\u2028\u2029\ud800-\udfff]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def template_hash(spec: Mapping[str, Any] | None) -> str:
    """`templateVersion` of a federated object with this `spec`; "" when it has no template."""
    if spec is None or spec.get("template") is None:
        return ""
    return _hash(spec["template"], floats=False)


def overrides_hash(spec: Mapping[str, Any] | None) -> str:
    """`overridesVersion`; "" without a spec, and a hash of nothing without overrides."""
    if spec is None:
        return ""
    overrides = spec.get("overrides")
    items = None if overrides is None else [_of_cluster(item) for item in overrides]
    return _hash(_Ordered({"overrides": items}), floats=True)


class _Ordered(dict[str, Any]):
    """A Go struct: its keys keep their order."""


def _of_cluster(item: Mapping[str, Any]) -> _Ordered:
    made = _Ordered(clusterName=item.get("clusterName") or "")
    if changes := item.get("clusterOverrides"):
        made["clusterOverrides"] = [_override(change) for change in changes]
    return made


def _override(change: Mapping[str, Any]) -> _Ordered:
    made = _Ordered()
    if change.get("op"):
        made["op"] = change["op"]
    made["path"] = change.get("path") or ""
    if change.get("value") is not None:
        made["value"] = change["value"]
    return made


def _hash(value: Any, *, floats: bool) -> str:
    data = (go_json(value, floats=floats) + "\n").encode()
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def go_json(value: Any, *, floats: bool = False) -> str:
    """`value` as Go writes it; `floats`: all numbers were read as float64, else integers that fit are int64."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{_ESCAPED.sub(_escape, value)}"'
        case int() if not floats and value in _INT64:
            return str(value)
        case int() | float():
            return _float(float(value))
        case Mapping():
            items = value.items() if isinstance(value, _Ordered) else sorted(value.items())
            inner = (f"{go_json(str(key))}:{go_json(item, floats=floats)}" for key, item in items)
            return "{" + ",".join(inner) + "}"
        case Sequence():
            return "[" + ",".join(go_json(item, floats=floats) for item in value) + "]"
    raise TypeError(f"{type(value).__name__} is not JSON")


def _escape(found: re.Match[str]) -> str:
    char = found.group()
    if "\ud800" <= char <= "\udfff":
        return "\\ufffd"  # half of a pair is no text
    return _SHORT.get(char) or f"\\u{ord(char):04x}"


def _float(number: float) -> str:
    """The shortest digits that mean `number`; an exponent where ES6 has one, of as few digits as it takes."""
    if number == 0:
        return "-0" if str(number).startswith("-") else "0"
    if 1e-6 <= abs(number) < 1e21:
        text = format(Decimal(repr(number)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    power = int(exponent) + len(digits) - 1
    fraction = "".join(map(str, digits[1:]))
    return f"{'-' if sign else ''}{digits[0]}{'.' + fraction if fraction else ''}e{power:+d}"
