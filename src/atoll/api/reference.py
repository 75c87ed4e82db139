"""The API reference, made from the structs: `python -m atoll.api.reference [--check] [FILE]`."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import inspect as types

from atoll.api.common import Base
from atoll.api.crds import DEFINITIONS, Definition
from atoll.api.expressions import CLUSTER_FIELDS, FUNCTIONS
from atoll.api.schema import description

INTRODUCTION = f"""\
<!-- Generated from src/atoll/api by `python -m atoll.api.reference`. Don't edit. -->
# API reference

What users write, and what Atoll writes back. `kubectl explain application.spec --recursive` says the same.
A field that isn't marked as required can be left out. A rule is checked by the API server when the object is written,
and by `atoll` before it is sent.

## Expressions

`where`, and the rules of custom health, are written in the [Common Expression Language](https://cel.dev) with these
functions: {", ".join(f"`{name}`" for name in sorted(FUNCTIONS))}, and the macros `has`, `all`, `exists`, `exists_one`,
`map` and `filter`. In `where`, `cluster` has {", ".join(f"`{name}`" for name in CLUSTER_FIELDS)}; in a health rule,
`object` is the live object. An expression that fails, as on a key that isn't there, does not hold;
`has(cluster.labels.env)` asks first.
"""


def reference() -> str:
    """The whole page, in Markdown."""
    parts = [INTRODUCTION]
    for definition in DEFINITIONS:
        parts.extend(_kind(definition))
    return "\n".join(parts)


def _kind(definition: Definition) -> Iterator[str]:
    yield f"## {definition.kind}\n"
    yield f"{description(definition.struct)}\n"
    names = ", ".join(f"`{name}`" for name in (definition.plural, *definition.short_names))
    scope = "in a namespace" if definition.scope == "Namespaced" else "for the whole hub"
    yield f"`{definition.group}/{definition.version}`, {scope}; kubectl knows it as {names}.\n"
    yield from _rules(definition.struct)
    for struct in _structs(definition.struct):
        yield from _section(struct, definition.kind)


def _structs(root: type[Base]) -> list[types.StructType]:
    """The structs of spec and status, each once, in the order in which a reader meets them."""
    found: dict[type, types.StructType] = {}
    pending = [field.type for field in _info(root).fields if field.encode_name in ("spec", "status")]
    while pending:
        kind = pending.pop(0)
        for struct in _inside(kind):
            if struct.cls not in found:
                found[struct.cls] = struct
                pending.extend(field.type for field in struct.fields)
    return list(found.values())


def _info(struct: type[Base]) -> types.StructType:
    info = types.type_info(struct)
    assert isinstance(info, types.StructType)
    return info


def _inside(kind: types.Type) -> Iterator[types.StructType]:
    match kind:
        case types.StructType():
            yield kind
        case types.Metadata():
            yield from _inside(kind.type)
        case types.UnionType():
            for member in kind.types:
                yield from _inside(member)
        case types.DictType():
            yield from _inside(kind.value_type)
        case types.VarTupleType():
            yield from _inside(kind.item_type)
        case _:
            return


def _section(struct: types.StructType, kind: str) -> Iterator[str]:
    yield f"({_anchor(struct, kind)})=\n### {struct.cls.__name__}\n"
    yield f"{description(struct.cls)}\n"
    yield "| field | type | meaning |\n|---|---|---|"
    for field in struct.fields:
        required = " **Required.**" if field.required else ""
        meaning = _description(field.type).replace("|", "\\|") + _default(field)
        yield f"| `{field.encode_name}` | {_type(field.type, kind)} | {meaning}{required} |"
    yield ""
    yield from _rules(struct.cls)


def _rules(struct: type) -> Iterator[str]:
    shape = struct.shape if issubclass(struct, Base) else ()
    if shape:
        yield "Refused, in these words:\n"
        yield from (f"- {f'`{rule.field[1:]}` ' if rule.field else ''}{rule.message}" for rule in shape)
        yield ""


def _anchor(struct: types.StructType, kind: str) -> str:
    return f"api-{kind}-{struct.cls.__name__}".lower()


def _description(kind: types.Type) -> str:
    if isinstance(kind, types.Metadata) and "description" in (kind.extra_json_schema or {}):
        return str((kind.extra_json_schema or {})["description"])
    return next((description(struct.cls) for struct in _inside(kind)), "")


def _default(field: types.Field) -> str:
    """What a field that is left out means, where that isn't simply nothing."""
    return f" Default: `{field.default}`." if isinstance(field.default, str | int) and field.default else ""


def _type(kind: types.Type, of: str) -> str:
    match kind:
        case types.Metadata():
            values = (kind.extra_json_schema or {}).get("enum")
            return _values(values) if values else _type(kind.type, of)
        case types.StructType():
            return f"[{kind.cls.__name__}](#{_anchor(kind, of)})"
        case types.UnionType():
            return _type(next(member for member in kind.types if not isinstance(member, types.NoneType)), of)
        case types.VarTupleType():
            return f"list of {_type(kind.item_type, of)}{_most(kind.max_length)}"
        case types.DictType(value_type=types.AnyType()):
            return "object"
        case types.DictType():
            return f"map to {_type(kind.value_type, of)}{_most(kind.max_length)}"
        case types.LiteralType():
            return _values(kind.values)
        case types.StrType():
            return f"string{_most(kind.max_length)}"
        case types.IntType():
            return f"integer{'' if kind.ge is None else f', from {kind.ge}'}"
        case types.FloatType():
            return "number"
        case types.BoolType():
            return "boolean"
        case _:
            return "any"


def _values(values: Any) -> str:
    return " or ".join(f"`{value}`" if value else '`""`' for value in values)


def _most(length: int | None) -> str:
    return "" if length is None else f" (≤ {length})"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m atoll.api.reference", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=Path("docs/reference/api.md"))
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the page is stale")
    options = parser.parse_args(arguments)
    page: Path = options.file
    if page.is_file() and page.read_text() == reference():
        return 0
    if options.check:
        sys.stderr.write(f"{page} is stale: run `make crds`\n")
        return 1
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(reference())
    return 0


if __name__ == "__main__":
    sys.exit(main())
