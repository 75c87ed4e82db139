"""Named places before and after each kind of write, where a test kills the process, makes it sleep, or lets it fail.

    ATOLL_FAILPOINTS="deliver.apply.before=kill@3; hub.status.after=sleep 2"
    ATOLL_FAILPOINTS="*=kill@17"

Each is `name=action`, then `@n` for the n-th hit only: `kill` is SIGKILL to ourselves, `sleep SECONDS` lets all else go
on, `error` raises KubeError. `*` is every place, counted together. ATOLL_FAILPOINTS_HITS names a file to which each hit
adds a line with the place's name, before anything happens there.

Without these variables, which is always so but in tests, a place costs one look at an attribute.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

from atoll.kube.errors import KubeError

VARIABLE = "ATOLL_FAILPOINTS"
HITS = "ATOLL_FAILPOINTS_HITS"
ANY = "*"

P = ParamSpec("P")
T = TypeVar("T")


class Action(NamedTuple):
    """`verb` is kill, sleep or error; `hit` the only hit at which it happens, 0 each."""

    verb: str
    seconds: float = 0.0
    hit: int = 0


class _State:
    """What is armed in this process."""

    def __init__(self) -> None:
        self.armed = False
        self.names: set[str] = set()
        self.actions: dict[str, Action] = {}
        self.counts: dict[str, int] = {}
        self.file: Path | None = None


_state = _State()


def names() -> frozenset[str]:
    """All places that the imported modules have."""
    return frozenset(_state.names)


def around(name: str) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """Make `name.before` and `name.after` of a coroutine function. `after` isn't reached when it raises."""
    before, after = f"{name}.before", f"{name}.after"
    _state.names |= {before, after}

    def decorate(write: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        async def watched(*args: P.args, **kwargs: P.kwargs) -> T:
            await _hit(before)
            answer = await write(*args, **kwargs)
            await _hit(after)
            return answer

        @wraps(write)
        def passed(*args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
            return watched(*args, **kwargs) if _state.armed else write(*args, **kwargs)

        return passed

    return decorate


def arm(environment: Mapping[str, str]) -> None:
    """Do as `environment` says. Raises ValueError for names that are no place, and for actions that aren't any."""
    actions = dict(_parse(part) for part in environment.get(VARIABLE, "").split(";") if part.strip())
    if unknown := actions.keys() - _state.names - {ANY}:
        known = ", ".join(sorted(_state.names))
        raise ValueError(f"{VARIABLE}: there is no {', '.join(sorted(unknown))}; there are {known}")
    file = environment.get(HITS, "")
    _state.actions, _state.counts = actions, {}
    _state.file = Path(file) if file else None
    _state.armed = bool(actions or file)


def _parse(text: str) -> tuple[str, Action]:
    name, _, rest = text.strip().partition("=")
    what, _, hit = rest.partition("@")
    verb, _, seconds = what.strip().partition(" ")
    try:
        action = Action(verb, float(seconds or 0), int(hit or 0))
    except ValueError as error:
        raise ValueError(f"{VARIABLE}: {text.strip()!r}: {error}") from error
    if verb not in {"kill", "sleep", "error"} or bool(seconds) != (verb == "sleep"):
        raise ValueError(f"{VARIABLE}: {text.strip()!r}: the action is kill, sleep SECONDS or error, then perhaps @N")
    return name.strip(), action


async def _hit(name: str) -> None:
    if _state.file is not None:
        with _state.file.open("a") as file:
            file.write(f"{name}\n")
    for key in (name, ANY):
        count = _state.counts[key] = _state.counts.get(key, 0) + 1
        action = _state.actions.get(key)
        if action is not None and action.hit in {0, count}:
            await _act(name, action)


async def _act(name: str, action: Action) -> None:
    match action.verb:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "sleep":
            await asyncio.sleep(action.seconds)
        case _:
            raise KubeError(f"failpoint {name}")
