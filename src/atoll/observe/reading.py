"""Reading live objects: the few shapes that all rules share. A member may answer in others; those raise."""

from collections.abc import Mapping
from typing import Any

from atoll.api.objects import Json
from atoll.api.observation import ObjectHealth
from atoll.api.status import Health

STALE = "StaleGeneration"


class Condition:
    """One condition of a live object. Absent ones read as empty and never hold."""

    __slots__ = ("generation", "message", "reason", "since", "status", "type")

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.type = str(raw.get("type", ""))
        self.status = str(raw.get("status", ""))
        self.reason = str(raw.get("reason") or "")
        self.message = str(raw.get("message") or "")
        self.since = str(raw.get("lastTransitionTime") or "")
        self.generation = raw.get("observedGeneration")

    @property
    def true(self) -> bool:
        return self.status == "True"

    @property
    def false(self) -> bool:
        return self.status == "False"


ABSENT = Condition({})


def status_of(body: Json) -> Json:
    status: Json = body.get("status") or {}
    return status


def spec_of(body: Json) -> Json:
    spec: Json = body.get("spec") or {}
    return spec


def conditions_of(body: Json) -> dict[str, Condition]:
    """By type. The form is metav1.Condition; kinds whose `conditions` are something else have none."""
    rows = status_of(body).get("conditions")
    if not isinstance(rows, list):
        return {}
    found = (Condition(row) for row in rows if isinstance(row, dict))
    return {c.type: c for c in found if c.type}


def number(section: Json, field: str, default: int = 0) -> int:
    """An integer field; a missing or null one is `default`. Raises TypeError for anything else."""
    value = section.get(field)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{field} is not a number: {value!r}")
    return value


def stale(body: Json, *, required: bool = False) -> ObjectHealth | None:
    """Progressing when the object's controller has not yet seen its present generation.

    `required`: the controller always says which one it has seen, so no word from it is Progressing too.
    """
    generation = number(body.get("metadata") or {}, "generation")
    observed = status_of(body).get("observedGeneration")
    if observed is None and not (required and generation):
        return None
    if observed is None or number(status_of(body), "observedGeneration") < generation:
        return progressing(STALE, "its controller has not yet seen the latest change")
    return None


def healthy(message: str = "", *, reason: str = "") -> ObjectHealth:
    return ObjectHealth("Healthy", reason, message)


def progressing(reason: str, message: str = "") -> ObjectHealth:
    return ObjectHealth("Progressing", reason, message)


def degraded(reason: str, message: str = "") -> ObjectHealth:
    return ObjectHealth("Degraded", reason, message)


def suspended(message: str, *, reason: str = "Suspended") -> ObjectHealth:
    return ObjectHealth("Suspended", reason, message)


def by_condition(health: Health, condition: Condition, fallback: str) -> ObjectHealth:
    """A verdict in the words of the condition that it follows from."""
    return ObjectHealth(health, condition.reason or fallback, condition.message)
