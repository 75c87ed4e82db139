"""CEL expressions that users write: `where` over a cluster, custom health over an object.

The engine is the Rust one (module `cel`), with CEL's own functions and none of the host's: an expression computes, and
can't reach anything. It is not the API server's CEL library, so what is missing (`split`, `quantity` …) is told when
the expression is compiled, and not first when it meets a cluster.

The engine has no cost budget and runs on the hub's event loop, so what an expression may do is bounded here: macros
(`all`, `exists`, `map` …) nest and multiply, `map` and `filter` take quadratic time, `+` grows texts, and the rest is
counted beforehand (see `effort`).
"""

import re
from functools import lru_cache
from typing import Any

import cel

from atoll.api.effort import MACRO, EffortError, bare, effort, nesting

MAX_LENGTH = 2048
MAX_MACROS = 16
MAX_NESTING = 3
MAX_MAPS = 2
MAX_ADDITIONS = 10
MAX_UNITS = {frozenset(("cluster",)): 50_000}
"""By what an expression is about: see `effort`. A placement is asked of each of many clusters, by many expressions."""
MAX_UNITS_ELSE = 400_000
FEWEST = 8
"""Parts that any variable has."""

CLUSTER_FIELDS = ("name", "provider", "region", "zone", "labels", "version")
"""What `cluster` is in `where`."""

_TYPES = frozenset(("int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type"))
FUNCTIONS = frozenset(
    (
        *("size", "contains", "startsWith", "endsWith", "matches"),
        *("int", "uint", "double", "string", "bytes", "timestamp", "duration", "type", "dyn"),
        *("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
        *("getHours", "getMinutes", "getSeconds", "getMilliseconds"),
    )
)
_CLUSTER_FIELD = re.compile(r"(?<![\w.])cluster\s*\.\s*([A-Za-z_]\w*)")
_POSITION = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")


class ExpressionError(Exception):
    """An expression that doesn't compile, fails on what it is given, or answers with the wrong type; says how."""


class TooMuchError(ExpressionError):
    """It would take too long with what it is given; that says nothing about whether it holds."""


class Expression:
    """A compiled expression. `Expression.compile` remembers: the same text is compiled once."""

    def __init__(self, text: str, variables: frozenset[str]) -> None:
        code = bare(text)
        self.text = text
        _check_macros(code)
        self._program = _compile(text)
        try:
            self._effort = effort(text, variables)
        except EffortError as error:
            raise ExpressionError(str(error)) from error
        self._most = MAX_UNITS.get(variables, MAX_UNITS_ELSE)
        if self.units(1, FEWEST) > self._most:
            raise ExpressionError("too much to compute, whatever it is given: shorten its patterns and lists")
        _check_names(self._program.references(), code, variables)

    @staticmethod
    def compile(text: str, *variables: str) -> "Expression":
        """Compile `text`, which may name `variables`; `cluster` and `object` when none are given.

        Raises `ExpressionError` with the compiler's message and position.
        """
        return _compiled(text, frozenset(variables or ("cluster", "object")))

    def units(self, largest: int, size: int) -> int:
        """What it may cost with variables of `size` parts, of whose collections the largest has `largest`."""
        return self._effort.units(largest, size)

    def matches(self, /, **variables: Any) -> bool:
        """Whether it holds. Raises `ExpressionError` when that can't be told, as with a key that isn't there;
        `TooMuchError` when it isn't even tried.
        """
        answer = self._run(variables)
        if not isinstance(answer, bool):
            raise ExpressionError(f"the result is {_type_name(answer)}, not true or false: {self.text}")
        return answer

    def string(self, /, **variables: Any) -> str:
        """The text that it makes. Raises `ExpressionError` when it fails, or makes no text."""
        answer = self._run(variables)
        if not isinstance(answer, str):
            raise ExpressionError(f"the result is {_type_name(answer)}, not a string: {self.text}")
        return answer

    def _run(self, variables: dict[str, Any]) -> Any:
        if self._effort.loops:
            largest, size = _measured(variables)
            if self.units(largest, size) > self._most:
                raise TooMuchError(f"too much to compute: macros over {largest} items in {self.text}")
        try:
            return self._program.execute(variables)
        except Exception as error:
            raise ExpressionError(f"{_reason(error)}: {self.text}") from error
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # a bug in the engine, which must not end the hub's loop
                raise
            raise ExpressionError(f"the engine failed on it: {self.text}") from error


@lru_cache(maxsize=2048)
def _compiled(text: str, variables: frozenset[str]) -> Expression:
    return Expression(text, variables)


def _compile(text: str) -> cel.Program:
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"longer than {MAX_LENGTH} characters")
    try:
        return cel.compile(text)
    except ValueError as error:
        raise ExpressionError(_syntax(str(error))) from error


def _syntax(message: str) -> str:
    """The compiler's first complaint, with its position, without its drawing."""
    found = _POSITION.search(message)
    if found is None:
        return message.partition("\n")[0][:256]
    line, column, complaint = found.groups()
    complaint = "nested too deep" if "Recursion limit" in complaint else complaint.removeprefix("Syntax error: ")
    return f"line {line}, column {column}: {complaint[:200]}"


def _check_macros(code: str) -> None:
    macros = [match[1] for match in MACRO.finditer(code)]
    if len(macros) > MAX_MACROS:
        raise ExpressionError(f"more than {MAX_MACROS} macros")
    if sum(name in ("map", "filter") for name in macros) > MAX_MAPS:
        raise ExpressionError(f"more than {MAX_MAPS} of map and filter: exists or all say most things")
    if nesting(code) > MAX_NESTING:
        raise ExpressionError(f"macros nested more than {MAX_NESTING} deep")
    if code.count("+") > MAX_ADDITIONS:
        raise ExpressionError(f"more than {MAX_ADDITIONS} additions")


def _check_names(references: dict[str, list[str]], code: str, variables: frozenset[str]) -> None:
    """Refuse names that could never have a value: the engine itself says so first when it evaluates."""
    bound = {match[2] for match in MACRO.finditer(code) if match[2]}
    for name in references["variables"]:
        if name not in variables | bound | _TYPES:
            raise ExpressionError(f"unknown name {name}; known: {', '.join(sorted(variables))}")
    for name in references["functions"]:
        if name.isidentifier() and name not in FUNCTIONS and not name.startswith("_"):
            raise ExpressionError(f"unknown function {name}")
    if "cluster" in variables:
        for match in _CLUSTER_FIELD.finditer(code):
            if match[1] not in CLUSTER_FIELDS:
                raise ExpressionError(f"cluster has no {match[1]}; it has {', '.join(CLUSTER_FIELDS)}")


def _measured(value: Any) -> tuple[int, int]:
    """The number of items in the largest collection of a JSON value, and of all its parts."""
    largest, size, pending = 0, 0, [value]
    while pending:
        part = pending.pop()
        size += 1
        if isinstance(part, dict):
            largest = max(largest, len(part))
            pending.extend(part.values())
        elif isinstance(part, list | tuple):
            largest = max(largest, len(part))
            pending.extend(part)
    return largest, size


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"no such key {error}"
    return str(error).partition(". CEL does not")[0].partition(". Check ")[0]


def _type_name(value: Any) -> str:
    match value:
        case bool():
            return "true or false"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "a map"
        case None:
            return "null"
        case _:
            return f"a {type(value).__name__}"
