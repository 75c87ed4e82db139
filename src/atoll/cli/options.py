"""Values of options that are small languages of their own: K=V lists, taints, and what differs on a cluster."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from atoll.cli.exits import UsageError

if TYPE_CHECKING:
    from atoll.api.cluster import Taint

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def split_list(values: Iterable[str] | None) -> list[str]:
    """Items of options that may be repeated and hold commas, in order, each once."""
    items = (item.strip() for value in values or () for item in value.split(","))
    return list(dict.fromkeys(item for item in items if item))


def key_values(values: Iterable[str] | None, option: str) -> dict[str, str]:
    """`a=1,b=2`, repeated or not."""
    result = {}
    for item in split_list(values):
        key, separator, value = item.partition("=")
        if not separator or not key:
            raise UsageError(f"{option}: {item!r} is not KEY=VALUE")
        result[key] = value
    return result


def taint(text: str) -> "Taint":
    """`key=value:Effect` or `key:Effect`, as `kubectl taint` takes them."""
    from atoll.api.cluster import Taint

    pair, separator, effect = text.rpartition(":")
    if not separator or effect not in EFFECTS:
        raise UsageError(f"--taints: {text!r} is not KEY=VALUE:EFFECT", f"the effects are {', '.join(EFFECTS)}")
    key, _, value = pair.partition("=")
    return Taint(key=key, value=value, effect=effect)  # type: ignore[arg-type]  # one of EFFECTS


def number(text: str, option: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise UsageError(f"{option}: {text!r} is not a number of 0 or more")
    return int(text)


def check_address(text: str, option: str, *, may_be_none: bool = False) -> None:
    """Raises UsageError for what nothing can be served at. No host is every address of the machine."""
    _, separator, port = text.rpartition(":")
    usable = separator and port.isascii() and port.isdigit() and int(port) < 65536
    if not (usable or (may_be_none and not text)):
        raise UsageError(f"{option}: {text!r} is not HOST:PORT", "such as 127.0.0.1:9090")
