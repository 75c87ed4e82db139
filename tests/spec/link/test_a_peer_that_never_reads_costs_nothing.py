"""What a peer asks for and doesn't take is bounded, whatever it asks for."""

import asyncio
from typing import Any

from atoll.link import websocket
from atoll.link.connection import Connection
from atoll.link.session import Lost


class Stuck(asyncio.Transport):
    """A transport whose other end reads nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.waiting += bytes(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """All of it waits."""

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """It is known."""

    def get_protocol(self) -> Any:
        return None

    def resume_reading(self) -> None:
        """It reads."""

    def close(self) -> None:
        """It will be gone."""

    def abort(self) -> None:
        """It is gone."""


async def test_pings_of_the_websocket_are_answered_only_while_answers_are_taken() -> None:
    transport = Stuck()
    connection = Connection(transport, asyncio.Protocol(), dialled=False, peer="m1", offered=lambda _: None)
    connection.start()
    ping = websocket.head(100, masked=True, opcode=0x9) + bytes(100)
    connection.data_received(ping)
    await asyncio.sleep(0)
    assert transport.waiting
    connection.pause_writing()  # the transport's word that nothing is taken
    waiting = len(transport.waiting)
    for _ in range(1_000):
        connection.data_received(ping)
    assert len(transport.waiting) == waiting
    connection.resume_writing()
    connection.data_received(ping)
    await asyncio.sleep(0)
    assert waiting < len(transport.waiting) < waiting + 1_000
    connection.close(Lost("Closed", "the test is over"))
