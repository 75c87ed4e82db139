"""kubectl's JSONPath, the part that people use: text with `{...}` in it. Pure.

Within braces: `.a.b`, `['a']`, `[0]`, `[-1]`, `[*]`, `.*`, `[?(@.type=="Ready")]`, `"text"`, and
`{range .items[*]}…{end}`. What isn't there is empty. No recursive descent, slices or unions.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from atoll.cli.exits import UsageError

_STEP = re.compile(
    r"""\.(?P<field>(?:\\.|[^.*\[\]\\\s'"])+)|\.(?P<wild>\*)|\[(?P<index>-?\d+)\]|\[(?P<all>\*)\]"""
    r"""|\[['"](?P<key>[^'"]+)['"]\]|\[\?\(@(?P<path>(?:\.[\w-]+)+)\s*(?P<op>==|!=)\s*(?P<value>"[^"]*"|'[^']*'|[^)]+)\)\]""",
    re.VERBOSE,
)
_PART = re.compile(r"\{([^}]*)\}|([^{}]+)|[{}]")


def evaluate(template: str, data: Any) -> str:
    """The template's text with each `{...}` replaced. Raises UsageError where it can't be read."""
    parts = [(match[1], match[2]) for match in _PART.finditer(template)]
    if (None, None) in parts:
        raise UsageError(f"jsonpath: a brace in {template!r} stands alone", "such as {.status.summary.ready}")
    text, rest = _render(parts, data, data)
    if rest:
        raise UsageError("jsonpath: {end} without {range}")
    return text


def _render(parts: list[tuple[str, str]], data: Any, root: Any) -> tuple[str, list[tuple[str, str]]]:
    """Up to the end of this level; what is left after its {end}."""
    out: list[str] = []
    while parts:
        code, literal = parts[0]
        parts = parts[1:]
        if literal:
            out.append(literal)
            continue
        code = code.strip()
        if code == "end":
            return "".join(out), [("", ""), *parts]
        if code.startswith("range "):
            block = parts
            rest: list[tuple[str, str]] = []
            for item in find(code.removeprefix("range ").strip(), data, root):
                text, rest = _render(block, item, root)
                out.append(text)
            parts = rest[1:] if rest else _after_end(block)
        elif code[:1] in {'"', "'"}:
            out.append(code[1:-1].encode().decode("unicode_escape"))
        elif code:
            out.append(" ".join(_shown(value) for value in find(code, data, root)))
    return "".join(out), []


def _after_end(parts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Behind the {end} of a range that had no items."""
    depth = 0
    for number, (code, _) in enumerate(parts):
        if code.strip().startswith("range "):
            depth += 1
        elif code.strip() == "end":
            if depth == 0:
                return parts[number + 1 :]
            depth -= 1
    raise UsageError("jsonpath: {range} without {end}")


def find(path: str, data: Any, root: Any) -> list[Any]:
    """All that `path` leads to, from `data`, or from `root` when it begins with `$`."""
    values = [root if path.startswith("$") else data]
    rest = path.lstrip("$@")
    if rest and rest[0] not in ".[":
        rest = f".{rest}"
    while rest and rest != ".":
        match = _STEP.match(rest)
        if match is None:
            raise UsageError(f"jsonpath: can't read {rest!r} in {path!r}", "such as {.status.summary.ready}")
        values = [found for value in values for found in _step(match, value)]
        rest = rest[match.end() :]
    return values


def _step(match: re.Match[str], value: Any) -> Iterator[Any]:
    name = match["key"] or (match["field"] or "").replace("\\.", ".")
    if match["all"] or match["wild"]:
        yield from value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    elif match["index"]:
        if isinstance(value, list) and -len(value) <= int(match["index"]) < len(value):
            yield value[int(match["index"])]
    elif match["path"]:
        yield from (item for item in value if _holds(match, item)) if isinstance(value, list) else ()
    elif isinstance(value, dict) and name in value:
        yield value[name]


def _holds(match: re.Match[str], item: Any) -> bool:
    found = find(match["path"], item, item)
    wanted = match["value"].strip()
    wanted = wanted[1:-1] if wanted[:1] in {'"', "'"} else wanted
    same = bool(found) and _shown(found[0]) == wanted
    return same == (match["op"] == "==")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
