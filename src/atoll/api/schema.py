"""Structs → OpenAPI v3 schemas as the API server wants them in a CRD: structural, bounded, with CEL rules.

Rules of a structural schema that shape this module: no `$ref`, a `type` on everything that isn't free JSON, no
`additionalProperties` beside `properties`, null only where `nullable` says so
(https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema).
Defaults are left out on purpose: the server would write them into every stored object, and what users read back would
no longer be what they wrote.
"""

import inspect
from typing import Any

from msgspec import inspect as types

from atoll.api.common import Base, Rule

Schema = dict[str, Any]
PRESERVE = "x-kubernetes-preserve-unknown-fields"
VALIDATIONS = "x-kubernetes-validations"


def struct_schema(struct: type[Base]) -> Schema:
    """The schema of one struct, everything inlined."""
    return _schema(types.type_info(struct))


def _schema(kind: types.Type) -> Schema:
    match kind:
        case types.Metadata(type=inner, extra_json_schema=extra):
            return _with_extra(_schema(inner), extra or {})
        case types.StructType():
            return _object(kind)
        case types.UnionType():
            return _union(kind)
        case types.DictType(value_type=types.AnyType()):
            return {"type": "object", PRESERVE: True}
        case types.DictType():
            return {
                "type": "object",
                "additionalProperties": _schema(kind.value_type),
                **_bounds(minProperties=kind.min_length, maxProperties=kind.max_length),
            }
        case types.VarTupleType() | types.ListType():
            return {
                "type": "array",
                "items": _schema(kind.item_type),
                **_bounds(minItems=kind.min_length, maxItems=kind.max_length),
            }
        case types.LiteralType():
            return {"type": "string", "enum": list(kind.values)}
        case types.StrType():
            return {
                "type": "string",
                **_bounds(minLength=kind.min_length, maxLength=kind.max_length, pattern=kind.pattern),
            }
        case types.IntType():
            return {"type": "integer", "format": "int64", **_bounds(minimum=kind.ge, maximum=kind.le)}
        case types.FloatType():
            return {"type": "number"}
        case types.BoolType():
            return {"type": "boolean"}
        case types.AnyType():
            return {PRESERVE: True, "nullable": True}
        case _:
            raise TypeError(f"a CRD can't say {kind}")


def _union(kind: types.UnionType) -> Schema:
    """`T | None` is nullable: null means the same as absent, as everywhere in Kubernetes."""
    members = [member for member in kind.types if not isinstance(member, types.NoneType)]
    if {type(member) for member in members} == {types.IntType, types.StrType}:
        numbers = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
        return {**numbers, "nullable": True}
    if len(members) != 1:
        raise TypeError(f"a CRD can't say {kind}")
    return {**_schema(members[0]), "nullable": True}


def _object(kind: types.StructType) -> Schema:
    schema: Schema = {"type": "object", "description": description(kind.cls)}
    schema["properties"] = {field.encode_name: _schema(field.type) for field in kind.fields}
    required = [field.encode_name for field in kind.fields if field.required]
    if required:
        schema["required"] = required
    if issubclass(kind.cls, Base) and kind.cls.shape:
        schema[VALIDATIONS] = [_validation(rule) for rule in kind.cls.shape]
    return schema


def _validation(rule: Rule) -> Schema:
    return {"rule": rule.rule, "message": rule.message, **_bounds(fieldPath=rule.field or None)}


def _with_extra(schema: Schema, extra: Schema) -> Schema:
    """What a field says of itself wins over what its type says; rules of both hold."""
    merged = {**schema, **extra}
    if merged.get(PRESERVE) is False:
        del merged[PRESERVE]
    if VALIDATIONS in schema and VALIDATIONS in extra:
        merged[VALIDATIONS] = [*schema[VALIDATIONS], *extra[VALIDATIONS]]
    return merged


def _bounds(**limits: Any) -> Schema:
    return {name: limit for name, limit in limits.items() if limit is not None}


def description(struct: type) -> str:
    """A struct's docstring, as one paragraph each."""
    paragraphs = inspect.cleandoc(struct.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
