"""The event loop of programs that serve: the hub and the agent."""

import asyncio
import ssl
from typing import Any

import uvloop


class Loop(uvloop.Loop):
    """uvloop's, which reads, writes and encrypts for less; and which starts TLS over any transport that asyncio's would
    (uvloop's own takes its sockets only, not a stream of a link).
    """

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
