"""Raw statuses of objects, for those who want them as they are: told when they change, and not too often."""

import asyncio
import time
from collections.abc import Callable, Iterable

import msgspec

from atoll.api.observation import Observation
from atoll.kube.objects import Object

APART = 1.0
"""Seconds between two observations of an application that differ in nothing but raw statuses."""


class _WithStatus(msgspec.Struct):
    status: msgspec.Raw = msgspec.Raw(b"")


def raw_status(live: Object) -> msgspec.Raw | None:
    """The `status` of `live` as JSON, in bytes of its own; None when it has none."""
    raw = bytes(live.read(_WithStatus).status)
    return msgspec.Raw(raw) if raw not in {b"", b"null"} else None


class Statuses:
    """Adds raw statuses to observations. `again(uid)` is called when it is time to tell what was put off."""

    def __init__(self, report: Callable[[Observation], None], again: Callable[[str], None]) -> None:
        self._report = report
        self._again = again
        self._told: dict[str, tuple[float, Observation]] = {}
        self._later: dict[str, asyncio.TimerHandle] = {}

    def tell(self, bare: Observation, objects: Iterable[Object]) -> None:
        """Report `bare` with the statuses of its `objects`: at once, unless nothing but these changed a moment ago."""
        found = ((live.id, raw_status(live)) for live in objects)
        full = msgspec.structs.replace(bare, statuses=tuple((about, raw) for about, raw in found if raw is not None))
        now = time.monotonic()
        last, before = self._told.get(bare.uid, (-APART, None))
        if full == before:
            return
        more = before is None or bare != msgspec.structs.replace(before, statuses=())
        if more or now - last >= APART:
            self._told[bare.uid] = now, full
            self._report(full)
        elif bare.uid not in self._later:
            wait = last + APART - now
            self._later[bare.uid] = asyncio.get_running_loop().call_later(wait, self._in_time, bare.uid)

    def _in_time(self, uid: str) -> None:
        del self._later[uid]
        self._again(uid)

    def forget(self, uid: str) -> None:
        self._told.pop(uid, None)
        if (alarm := self._later.pop(uid, None)) is not None:
            alarm.cancel()

    def close(self) -> None:
        for alarm in self._later.values():
            alarm.cancel()
        self._later.clear()
