"""What goes wrong between a client and an API server, decided by rules and a seed.

Connections break before a request was read, or after it took effect and before its answer came; servers are slow,
refuse, end watches, forget versions. What doesn't happen is not here: a watch never loses an event in its middle.
"""

from collections.abc import Iterable
from random import Random

import msgspec


class Delay(msgspec.Struct, frozen=True):
    """The answer comes later, by up to `seconds`."""

    seconds: float


class Refuse(msgspec.Struct, frozen=True):
    """The server refuses: 429, 500, 503, 403 and so on."""

    code: int
    reason: str
    retry_after: int | None = None


class Reset(msgspec.Struct, frozen=True):
    """The connection is reset; `after` says that the request took effect before, and its answer is lost."""

    after: bool = False


class SlowBody(msgspec.Struct, frozen=True):
    """The answer comes in pieces of `size` bytes with `pause` seconds between them; `cut` ends it in the middle."""

    size: int = 100
    pause: float = 0.001
    cut: bool = False


class BreakWatch(msgspec.Struct, frozen=True):
    """The connection of a watch is reset after `events` events; `torn` is in the middle of the next one."""

    events: int = 0
    torn: bool = False


class EndWatch(msgspec.Struct, frozen=True):
    """The server ends a watch in good order after `events` events, as on its time-out."""

    events: int = 0


class HangWatch(msgspec.Struct, frozen=True):
    """A watch falls silent after `events` events, bookmarks too, and its connection stays open."""

    events: int = 0


class Gone(msgspec.Struct, frozen=True):
    """410 for a watch: as the answer's status, else as an ERROR event after `events` events."""

    as_status: bool = False
    events: int = 0


class Repeat(msgspec.Struct, frozen=True):
    """A watch begins with up to `events` events that are older than what was asked for."""

    events: int = 1


Fault = Delay | Refuse | Reset | SlowBody | BreakWatch | EndWatch | HangWatch | Gone | Repeat
WATCH_FAULTS = (BreakWatch, EndWatch, HangWatch, Gone, Repeat)


class Rule(msgspec.Struct):
    """`fault` happens to a part of the requests (`rate`), of `verb` and `plural` if given, `times` times at most.

    `namespace`, if given, is the one that they are for; "" is all of them, or none.
    """

    fault: Fault
    rate: float = 1.0
    times: int | None = None
    verb: str = ""
    plural: str = ""
    namespace: str | None = None

    def concerns(self, verb: str, plural: str, namespace: str) -> bool:
        if self.namespace not in {None, namespace}:
            return False
        if self.times == 0 or (self.verb and self.verb != verb) or (self.plural and self.plural != plural):
            return False
        return verb == "watch" or not isinstance(self.fault, WATCH_FAULTS)


class Faults:
    """The rules in force; the first that hits decides about a request. Change `rules` at any time."""

    def __init__(self, seed: int = 0, rules: Iterable[Rule] = ()) -> None:
        self.rules = list(rules)
        self.happened: list[tuple[str, str, Fault]] = []
        """Verb, plural and fault, in order."""
        self._random = Random(seed)

    def draw(self, verb: str, plural: str, namespace: str = "") -> Fault | None:
        """The fault that this request meets."""
        for rule in self.rules:
            if rule.concerns(verb, plural, namespace) and self._random.random() < rule.rate:
                if rule.times is not None:
                    rule.times -= 1
                self.happened.append((verb, plural, rule.fault))
                return rule.fault
        return None

    def spread(self, most: float) -> float:
        """A number from 0 to `most`."""
        return self._random.uniform(0, most)

    def heal(self) -> None:
        """Nothing goes wrong from now on; what hangs already goes on hanging."""
        self.rules.clear()
