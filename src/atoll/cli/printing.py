"""What commands print: tables as kubectl's, ages, colours on a terminal only, and nothing that a server smuggles in."""

import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from datetime import datetime
from textwrap import wrap
from typing import Any, TextIO

from atoll.cli.exits import UsageError

NONE = "<none>"
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Everything but tab and newline that moves the cursor, changes colours or reverses the writing direction."""

_GOOD = frozenset({"Healthy", "Applied", "Ready", "True"})
_BUSY = frozenset({"Progressing", "Pending", "Waiting", "Applying", "Removing", "Suspended", "Unknown", "Cordoned"})
_BAD = frozenset(
    {"Degraded", "Missing", "Conflict", "Failed", "Unreachable", "NotReady", "Rejected", "Stalled", "False"}
)


def clean(text: object) -> str:
    """Text of a server without escape sequences and control characters: a terminal must only ever show it."""
    return _CONTROLS.sub("", _ESCAPES.sub("", str(text)))


def one_line(text: object) -> str:
    """`clean`, on one line."""
    return " ".join(clean(text).split())


def colours(stream: TextIO) -> bool:
    """Whether `stream` takes colours: a terminal, and nobody said NO_COLOR (https://no-color.org)."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()


def paint(word: str, stream: TextIO | None = None) -> str:
    """A state or health in its colour."""
    if not colours(stream or sys.stdout):
        return word
    code = "32" if word in _GOOD else "33" if word in _BUSY else "31" if word in _BAD else ""
    return f"\x1b[{code}m{word}\x1b[0m" if code else word


def note(text: str) -> None:
    """Something for a person, beside the result: on stderr, so that pipes stay clean."""
    print(clean(text), file=sys.stderr, flush=True)


def warn(text: str) -> None:
    note(f"warning: {text}")


def aside(output: str) -> "AbstractContextManager[TextIO | None]":
    """Within, what is said for people goes to stderr where an `output` was asked for: stdout is a program's then."""
    return redirect_stdout(sys.stderr) if output else nullcontext()


def columns_wide() -> int:
    """The terminal's width; without a terminal there is no limit."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000


def table(
    titles: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    headers: bool = True,
    indent: int = 0,
    whole: bool = False,
    cut: bool = True,
) -> str:
    """Rows under titles, columns apart by three spaces. What is beyond the terminal's edge is cut, unless `cut` is
    False; with `whole` the last column, which says why, goes on in further lines.
    """
    cells = [[one_line(cell) if str(cell) else NONE for cell in row] for row in rows]
    shown = [list(titles), *cells] if headers else cells
    widths = [max((len(row[i]) for row in shown), default=0) for i in range(len(titles))]
    limit = columns_wide() - indent if cut else sys.maxsize
    lines = []
    for number, row in enumerate(shown):
        plain = "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        more: list[str] = []
        if len(plain) > limit and whole:
            plain, more = _broken(plain, len(plain) - len(row[-1]), limit)
        if len(plain) > limit:
            plain = plain[: limit - 1] + "…"
        lines.append(" " * indent + (plain if headers and number == 0 else _painted(plain, row)))
        lines += [" " * indent + line for line in more]
    return "\n".join(lines)


LEAST = 24
"""Columns in which a sentence can be read."""


def _broken(line: str, start: int, limit: int) -> tuple[str, list[str]]:
    """`line` up to what fits of its last cell, which begins at `start`, and the lines in which that goes on."""
    if limit - start < LEAST:  # it has lines of its own
        return line[:start].rstrip(), wrap(
            line[start:], max(LEAST, limit - 4), initial_indent="    ", subsequent_indent="    "
        )
    first, *rest = wrap(line[start:], limit - start) or [""]
    return line[:start] + first, [" " * start + part for part in rest]


def _painted(line: str, row: Sequence[str]) -> str:
    """Colour the words of a row that are states; widths were counted before."""
    if not colours(sys.stdout):
        return line
    for word in {cell for cell in row if cell in _GOOD | _BUSY | _BAD}:
        line = re.sub(rf"(?<![\w/-]){word}(?![\w/-])", paint(word), line, count=1)
    return line


def age(timestamp: str, now: float | None = None) -> str:
    """How long ago, as kubectl writes it: 45s, 7m30s, 5h12m, 3d4h, 12d, 2y30d."""
    try:
        seconds = (time.time() if now is None else now) - datetime.fromisoformat(timestamp).timestamp()
    except ValueError:
        return "<unknown>"
    return duration(max(0, int(seconds)))


def duration(seconds: int) -> str:
    """As apimachinery's HumanDuration: two units where the larger is small, else one."""
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    return f"{days}d" if days < 730 else _two(days // 365, "y", days % 365, "d")


def _two(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large}{unit}{small}{small_unit}" if small else f"{large}{unit}"


def fields(pairs: Mapping[str, object], *, indent: int = 0) -> str:
    """`Name:  value` lines, values in one column, as `kubectl describe` has them."""
    width = max((len(key) for key in pairs), default=0) + 1
    return "\n".join(f"{' ' * indent}{key + ':':<{width}}  {one_line(value) or NONE}" for key, value in pairs.items())


def emit(items: Sequence[Mapping[str, Any]], output: str, *, single: bool = False) -> None:
    """Print whole objects in a machine's form: json, yaml, name or jsonpath=…; `single` is not wrapped in a List."""
    form, _, template = output.partition("=")
    whole: Any = items[0] if single else {"apiVersion": "v1", "kind": "List", "items": list(items)}
    match form:
        case "json":
            import json

            print(_harmless(json.dumps(whole, indent=4, ensure_ascii=False)))
        case "yaml":
            from atoll.api.manifests import dump

            print(_harmless(dump([whole])), end="")
        case "name":
            for item in items:
                print(clean(resource_name(item)))
        case "jsonpath":
            from atoll.cli.jsonpath import evaluate

            print(_harmless(evaluate(template, whole)), end="")


def _harmless(text: str) -> str:
    """On a terminal, control characters are shown as JSON escapes; into a pipe everything goes as it is."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text) if sys.stdout.isatty() else text


def resource_name(item: Mapping[str, Any]) -> str:
    """As `kubectl -o name` has it: application.atoll.dev/shop."""
    group = str(item.get("apiVersion", "")).rpartition("/")[0]
    kind = str(item.get("kind", "")).lower()
    return f"{kind}.{group}/{item['metadata']['name']}" if group else f"{kind}/{item['metadata']['name']}"


def check_output(output: str) -> str:
    """Raises UsageError for a form of output that there isn't."""
    form = output.partition("=")[0]
    if form not in {"", "wide", "json", "yaml", "name", "jsonpath"} or (form == "jsonpath") != ("=" in output):
        raise UsageError(f"no such output: {output!r}", "one of: wide, json, yaml, name, jsonpath=TEMPLATE")
    return output
