"""What `failover.carry` names, as it is on one cluster: what would go along if the application left it now."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from jsonpointer import EndOfList, JsonPointer, JsonPointerException

from atoll.api.failover import MOST_CARRIED, Carry
from atoll.api.objects import Json, ObjectId
from atoll.observe.wording import clean

SECRET = ("", "Secret")
_ABSENT = object()
_encoder = msgspec.json.Encoder(order="deterministic")


class Cargo:
    """The values of one application, object by object. What is gone for a while is known as it was last."""

    def __init__(self, rules: tuple[Carry, ...]) -> None:
        self.rules = rules
        self._found: dict[str, dict[ObjectId, str]] = {}

    def reads(self, about: ObjectId) -> bool:
        """Whether an object of this name may be meant, whatever is in it."""
        return any(rule.target.means(rule.target.api_version, about) for rule in self.rules)

    def look(self, about: ObjectId, body: Json) -> None:
        for rule in self.rules:
            if wanted(rule, about, body) and (value := value_at(body, rule.path)):
                self._found.setdefault(rule.name, {})[about] = value

    def drop(self, gone: Iterable[ObjectId]) -> None:
        for about in gone:
            for found in self._found.values():
                found.pop(about, None)

    def values(self) -> dict[str, str]:
        """By name; where several objects have one, that of the first."""
        return {name: found[min(found)] for name, found in sorted(self._found.items()) if found}


def wanted(rule: Carry, about: ObjectId, body: Mapping[str, Any]) -> bool:
    """Whether `rule` reads this object. A Secret's content would be readable in the status."""
    return about.group_kind != SECRET and rule.target.means(str(body.get("apiVersion", "")), about)


def value_at(body: Json, path: str) -> str:
    """A text as it is, anything else as JSON; "" when there is nothing, or too much, or what is no plain line."""
    try:
        found = JsonPointer(path).resolve(body, _ABSENT)
    except (JsonPointerException, TypeError, ValueError):
        return ""
    if found is _ABSENT or found is None or isinstance(found, EndOfList):
        return ""
    text = found if isinstance(found, str) else _encoder.encode(found).decode()
    return text if len(text) <= MOST_CARRIED and clean(text, MOST_CARRIED) == text else ""
