"""The event loop of programs that serve: the hub and the agent."""

import asyncio
import contextlib
import ctypes
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any

import uvloop

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP = 8 << 20
_BIG = 1 << 20
_RESOLVERS = "64"
"""Half a megabyte in all while they are idle."""


def serving_loop() -> "Loop":
    """A loop, in a process made for what such a loop does: many short-lived pieces of 64 to 256 KiB. glibc would give
    each back to the kernel and ask for it again, page by page; it is told to keep up to 8 MiB. Elsewhere nothing needs
    to be told.

    Names are resolved in threads, libuv's, of which four are made unless it is told otherwise: four names that nobody
    answers for would keep all other clusters' waiting.
    """
    os.environ.setdefault("UV_THREADPOOL_SIZE", _RESOLVERS)
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _BIG)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEEP)
    return Loop()


class Loop(uvloop.Loop):
    """uvloop's, which reads, writes and encrypts for less; and which starts TLS over any transport that asyncio's would
    (uvloop's own takes its sockets only, not a stream of a link), and closes a socket that it was given once.
    """

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        *,
        sock: socket.socket | None = None,
        **options: Any,
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        """As the base's. A `sock` is the transport's from here on, and tells no descriptor any more."""
        lent = _Lent(sock.family, sock.type, sock.proto, fileno=sock.detach()) if sock is not None else None
        base: Any = super()
        made: tuple[asyncio.BaseTransport, asyncio.BaseProtocol] = await base.create_connection(
            protocol_factory, host, port, sock=lent, **options
        )
        return made

    async def start_tls(  # type: ignore[override]
        self,
        transport: asyncio.BaseTransport,
        protocol: asyncio.BaseProtocol,
        sslcontext: ssl.SSLContext,
        **options: Any,
    ) -> asyncio.BaseTransport | None:
        if getattr(transport, "_start_tls_compatible", False) is True:
            return await asyncio.BaseEventLoop.start_tls(self, transport, protocol, sslcontext, **options)  # type: ignore[arg-type]
        return await super().start_tls(transport, protocol, sslcontext, **options)


class _Lent(socket.socket):
    """A socket whose descriptor is uvloop's to close.

    When the other end is gone before TLS begins, uvloop closes the descriptor and leaves it in the socket. Whoever let
    go of that closed it once more: by then it may have been another connection's, or a file's.
    """

    def __del__(self) -> None:
        self.detach()
