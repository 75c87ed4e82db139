"""How much an expression may have to do, known before it does it: the engine has no budget of its own.

Counted in units of about a quarter of a microsecond, and rather too many than too few. Macros go over collections, one
within another; what they mention of the variables is copied each time; a pattern is compiled each time it is asked.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

LITERAL = re.compile(
    r"""//[^\n]*"""
    r'''|[rR][bB]?(?:"""[\s\S]*?"""|"[^"\n]*")|[rR][bB]?(?:\'\'\'[\s\S]*?\'\'\'|\'[^\'\n]*\')'''
    r'''|"""(?:\\.|[^\\])*?"""|\'\'\'(?:\\.|[^\\])*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''''
)
MACRO = re.compile(r"\.\s*(all|exists|exists_one|map|filter)\s*\(\s*(?:([A-Za-z_]\w*)\s*,)?")
_MATCHES = re.compile(r"(?<!\w)matches\s*\(")
_BY_LITERAL = re.compile(r'\.\s*matches\s*\(\s*""\s*\)')
_IN_FRONT = re.compile(r"\.\s*matches\s*\(\s*\Z")
_COUNTED = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_AFTER_WHOLE = frozenset(")}*+?")
"""After these, what is counted may have been counted before."""
_HIDING = re.compile(r"\\[xXuU0-7]")
_SPACED = re.compile(r"\(\?[\w-]*x")
"""With this flag, blanks in a count mean nothing."""
_PATTERN, _CLASS, _CHARACTER = 100, 1200, 16
"""Of a pattern, of a class of Unicode's such as \\w in it, and of any other character, such as \\. too."""


class EffortError(Exception):
    """What can't be counted."""


class Effort(NamedTuple):
    """What an expression does, by how deep in macros: how often it mentions a variable, and what its patterns take."""

    mentions: tuple[int, ...]
    patterns: tuple[int, ...]
    literal: int
    """Items of what it may list itself."""
    more: int
    """1 where what a macro makes is a list: that is copied as it grows."""

    @property
    def loops(self) -> bool:
        return len(self.patterns) > 1

    def units(self, largest: int, size: int) -> int:
        """For variables with `size` parts in all, whose largest collection has `largest`."""
        items, total = max(largest, self.literal), 0
        for depth, (mentions, patterns) in enumerate(zip(self.mentions, self.patterns, strict=True)):
            times = items ** (depth + self.more) if depth else 1
            total += times * ((1 + mentions * size if depth else 0) + patterns)
        return total


def bare(text: str) -> str:
    """`text` with each literal emptied, and everything else where it is."""
    return LITERAL.sub(lambda found: '""'.ljust(len(found[0])), text)


def effort(text: str, variables: frozenset[str]) -> Effort:
    """What `text` does. Raises EffortError for patterns that aren't written out."""
    code = bare(text)
    depth, at = _loops(code)
    mentions, patterns = [0] * (depth + 1), [0] * (depth + 1)
    names = re.compile(rf"(?<![\w.])(?:{'|'.join(sorted(variables))})(?!\w)")
    for found in names.finditer(code):
        mentions[at[found.start()]] += 1
    if len(_MATCHES.findall(code)) != len(_BY_LITERAL.findall(code)):
        raise EffortError('matches takes a pattern that is written out: name.matches("^eu-")')
    for found in LITERAL.finditer(text):
        if _IN_FRONT.search(code, 0, found.start()):
            patterns[at[found.start()]] += _of_pattern(found[0])
    more = any(found[1] in ("map", "filter") for found in MACRO.finditer(code))
    return Effort(tuple(mentions), tuple(patterns), code.count(",") + 1, int(more))


def nesting(code: str) -> int:
    """The most macros inside one another; `code` is bare."""
    return _loops(code)[0]


def _loops(code: str) -> tuple[int, list[int]]:
    """How deep macros are nested, in all and at each position."""
    openings = {found.start() + found[0].index("(") for found in MACRO.finditer(code)}
    stack: list[bool] = []
    at: list[int] = []
    deepest = depth = 0
    for position, character in enumerate(code):
        at.append(depth)
        if character == "(":
            stack.append(position in openings)
            depth += stack[-1]
            deepest = max(deepest, depth)
        elif character == ")" and stack:
            depth -= stack.pop()
    return deepest, at


def _of_pattern(literal: str) -> int:
    if _HIDING.search(literal):
        raise EffortError("a pattern takes no \\x, \\u or octal escapes: write the characters themselves")
    if _SPACED.search(literal):
        raise EffortError("a pattern takes no flag x: write it without blanks")
    classes = len(re.findall(r"\\+[A-Za-z]", literal))
    return _PATTERN + (_CHARACTER * len(literal) + _CLASS * classes) * _repeated(literal)


def _repeated(literal: str) -> int:
    """How often the most repeated part is written out."""
    most, groups = 1, 1
    for of_group, number in _counts(literal):
        if of_group:
            groups *= number
        else:
            most = max(most, number)
    return most * groups


def _counts(literal: str) -> Iterator[tuple[bool, int]]:
    for found in _COUNTED.finditer(literal):
        yield literal[found.start() - 1] in _AFTER_WHOLE, max(1, int(found[2] or found[1]))
