"""Words of members made fit for a status: one line, bounded, without control characters, and times."""

import re

from atoll.api.objects import ObjectId

LIMIT = 256
"""Characters of a message in a status."""

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])"
)
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_SPACES = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_QUOTED = re.compile(r"""Invalid value:\s*(?:"(?:[^"\\]|\\.)*"?|\S+)|(?<=[:=]\s)"(?:[^"\\]|\\.)*"?""", re.DOTALL)


def clean(text: object, limit: int = LIMIT) -> str:
    """`text` on one line of at most `limit` characters; what a terminal or a reader could be fooled by is removed."""
    line = str(text)
    if not (line.isascii() and line.isprintable() and "  " not in line):  # else these find nothing, as in most
        line = _INVISIBLE.sub("", _ESCAPES.sub("", line))
        line = _SPACES.sub(" ", line)
    line = line.strip()
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def conceal(about: ObjectId, text: str) -> str:
    """A server's complaint about a Secret may repeat what is in it: rejected and quoted values are left out."""
    if about.kind != "Secret" or about.group:
        return text
    return _QUOTED.sub("(value hidden)", text)
