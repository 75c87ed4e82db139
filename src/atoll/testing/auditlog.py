"""What an API server was asked, by its own account: the audit log of a LocalFleet that was started with `audit`."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

WRITING = frozenset({"create", "update", "patch", "delete", "deletecollection"})


class Request(NamedTuple):
    """One request. A watch counts when it is opened; `resource` is the path where there is none."""

    verb: str
    resource: str
    name: str

    @property
    def writes(self) -> bool:
        return self.verb in WRITING


class _User(msgspec.Struct):
    username: str = ""


class _About(msgspec.Struct):
    resource: str = ""
    name: str = ""


class _Event(msgspec.Struct, rename="camel"):
    verb: str
    stage: str
    uri: str = msgspec.field(default="", name="requestURI")
    request_received_timestamp: str = ""
    user: _User = msgspec.field(default_factory=_User)
    object_ref: _About | None = None


_decode = msgspec.json.Decoder(_Event).decode


def moment() -> str:
    """Now, as the logs write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def requests(log: Path, user: str, since: str, until: str = "9") -> Iterator[Request]:
    """What `user` asked from `since` on, before `until`: both as `moment` gives them."""
    with log.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                return  # it is being written
            event = _decode(line)
            if event.user.username != user or not since <= event.request_received_timestamp < until:
                continue
            if event.stage != ("ResponseStarted" if event.verb == "watch" else "ResponseComplete"):
                continue
            about = event.object_ref or _About(event.uri.partition("?")[0])
            yield Request(event.verb, about.resource, about.name)


def counted(asked: Iterable[Request]) -> dict[str, int]:
    """How often what was asked, as `verb resource`."""
    return dict(sorted(Counter(f"{one.verb} {one.resource}" for one in asked).items()))
