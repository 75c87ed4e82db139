"""Connections to an API server that somebody else makes: a stream of a link instead of a socket."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

Dial = Callable[[str, int], Awaitable[asyncio.Transport]]
"""Makes a connection to host and port. Raises Unreachable."""


class Through(aiohttp.TCPConnector):
    """TLS and HTTP are ours, end to end; only the way is `dial`'s."""

    def __init__(self, dial: Dial, **options: Any) -> None:
        super().__init__(**options)
        self._dial = dial

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> Any:
        del traces
        try:
            async with asyncio.timeout(timeout.sock_connect):
                transport = await self._dial(req.url.host or "", req.url.port or 443)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(f"no connection to {req.url.host} in time") from error
        if req.is_ssl():
            return (await self._start_tls_connection(transport, req, timeout))[1]
        protocol = self._factory()
        protocol.connection_made(transport)
        transport.set_protocol(protocol)
        return protocol
