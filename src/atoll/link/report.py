"""What a tunnel's agent tells the hub: how the member's API server is reached, and with which token.

One stream that the agent opens, `report/1`; each report is a line of JSON that replaces the one before. The token never
rests on the hub: it is in memory, and gone with the process.
"""

from collections.abc import AsyncIterator

import msgspec

from atoll.link.session import Stream

TARGET = "report/1"
LINE_MOST = 256 << 10


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


async def reports(stream: Stream) -> AsyncIterator[Report]:
    """Each report as it comes. Raises LinkError, and ValueError for what is none."""
    held = b""
    while data := await stream.read(1 << 16):
        held += data
        while b"\n" in held:
            line, _, held = held.partition(b"\n")
            try:
                yield msgspec.json.decode(line, type=Report)
            except msgspec.DecodeError as error:
                raise ValueError(f"this is no report: {error}") from error
        if len(held) > LINE_MOST:
            raise ValueError("a report is too long")
