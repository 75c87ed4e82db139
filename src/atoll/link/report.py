"""What a tunnel's agent tells the hub: how the member's API server is reached, and with which token.

One stream that the agent opens, `report/1`; each report is a line of JSON that replaces the one before. The token never
rests on the hub: it is in memory, and gone with the process.
"""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import msgspec

from atoll.link.session import Stream

TARGET = "report/1"
LINE_MOST = 256 << 10
NAME_MOST = 512


class Report(msgspec.Struct, frozen=True):
    """`server` is the API server's URL as the agent reaches it; the hub verifies it with `ca` (PEM), end to end.

    `uid` is the kube-system namespace's, `rights` as in `fleet.rights`; times are epoch seconds.
    """

    server: str
    ca: str
    token: str
    uid: str
    issued: float
    expires: float
    rights: str = "admin"
    tls_server_name: str = ""

    def __repr__(self) -> str:
        return f"Report(server={self.server!r}, uid={self.uid!r})"


def encode(report: Report) -> bytes:
    return msgspec.json.encode(report) + b"\n"


def check(told: Report) -> None:
    """What can't be dialled must not come as far as who dials. Raises ValueError."""
    where = urlsplit(told.server)  # may raise it, as the port may
    if where.scheme not in {"http", "https"} or not where.hostname or where.port == 0:
        raise ValueError(f"{told.server[:200]!r} is no API server's URL")
    if max(len(told.server), len(told.tls_server_name), len(told.uid)) > NAME_MOST:
        raise ValueError(f"a URL, a name or a UID has at most {NAME_MOST} characters")


async def reports(stream: Stream) -> AsyncIterator[Report]:
    """Each report as it comes. Raises LinkError, and ValueError for what is none."""
    held = b""
    while data := await stream.read(1 << 16):
        held += data
        while b"\n" in held:
            line, _, held = held.partition(b"\n")
            try:
                told = msgspec.json.decode(line, type=Report)
            except (msgspec.DecodeError, RecursionError) as error:
                raise ValueError(f"this is no report: {error}") from error
            check(told)
            yield told
        if len(held) > LINE_MOST:
            raise ValueError("a report is too long")
