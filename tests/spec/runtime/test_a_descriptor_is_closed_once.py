"""A connection whose other end is gone before TLS begins leaves nobody with a descriptor that is somebody else's."""

import asyncio
import gc
import os
import socket
import ssl
import struct
from pathlib import Path

import pytest

from atoll.runtime.loop import serving_loop

RESET = struct.pack("ii", 1, 0)


class Gone(asyncio.Protocol):
    """Ends each connection with a reset."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        transport.close()


async def refused(port: int, file: Path) -> None:
    """Connect in vain, take the descriptor that became free, and let go of the socket: the file stays open."""
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setblocking(False)
    await loop.sock_connect(sock, ("127.0.0.1", port))
    number = sock.fileno()
    await asyncio.sleep(0.005)  # the reset is here
    with pytest.raises(OSError):
        await loop.create_connection(
            asyncio.Protocol, sock=sock, ssl=ssl._create_unverified_context(), server_hostname="x"
        )
    taken = [os.open(file, os.O_RDONLY) for _ in range(3)]
    assert number in taken
    sock.close()
    del sock
    gc.collect()
    for descriptor in taken:
        os.close(descriptor)  # raises EBADF for one that was closed


def test_what_was_closed_is_not_closed_again(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    async def work() -> None:
        server = await asyncio.get_running_loop().create_server(Gone, "127.0.0.1", 0)
        for _ in range(5):
            await refused(server.sockets[0].getsockname()[1], file)
        server.close()

    with asyncio.Runner(loop_factory=serving_loop) as runner:
        runner.run(work())


def test_a_connection_by_a_socket_works_and_its_descriptor_is_freed() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(5):
            sock = socket.socket()
            sock.setblocking(False)
            await loop.sock_connect(sock, server.sockets[0].getsockname())
            transport, _ = await loop.create_connection(asyncio.Protocol, sock=sock)
            assert sock.fileno() == -1
            transport.close()
            await asyncio.sleep(0.01)
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1
        server.close()

    with asyncio.Runner(loop_factory=serving_loop) as runner:
        runner.run(work())
