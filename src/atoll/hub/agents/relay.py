"""Where agents come in at a process that doesn't lead: it passes their connections on to the one that does.

Bytes only: TLS goes on to the leader, which has the same authority and the same names, so that this process learns and
may do nothing. So agents, and whoever asks about members, need no more than the address of any one process, as behind a
load balancer.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import structlog

from atoll.api.names import HUB_CONFIGMAP, SYSTEM_NAMESPACE
from atoll.fleet.register import KEY_LEADER
from atoll.kube.client import Client
from atoll.kube.errors import KubeError
from atoll.kube.resources import CONFIGMAPS
from atoll.link.splice import Half, break_off

log = structlog.get_logger(__name__)

REMEMBER = 1.0
"""Seconds for which the leader's address holds."""
DIAL_TIMEOUT = 5.0


class Relay:
    """Listens on `address` (host:port) while `standing()` lasts, but not while `aside()` does: then the port is free
    for who serves there. `own` is where this process would be found if it led.
    """

    def __init__(self, client: Client, address: str, own: str) -> None:
        self._client = client
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._own = own
        self._server: asyncio.Server | None = None
        self._sides: set[Half] = set()
        self._leader, self._asked = "", float("-inf")

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[None]:
        await self._open()
        try:
            yield
        finally:
            await self._close()

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[None]:
        await self._close()
        try:
            yield
        finally:
            await self._open()

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Near(self), self._host.strip("[]") or None, self._port, reuse_address=True
        )

    async def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for side in list(self._sides):
            if side.transport is not None:
                break_off(side.transport)
        if server is not None:
            await server.wait_closed()

    async def join(self, near: "_Near") -> None:
        """Connect `near` with the leader, or break it off."""
        self._sides.add(near)
        try:
            leader = await self._find()
            if not leader or leader == self._own:
                raise ConnectionError("no process leads")
            host, _, port = leader.rpartition(":")
            far = Half()
            async with asyncio.timeout(DIAL_TIMEOUT):
                await asyncio.get_running_loop().create_connection(lambda: far, host.strip("[]"), int(port))
            if near.transport is None or far.transport is None:
                if far.transport is not None:
                    far.transport.abort()
                raise ConnectionError("one of both left")
            near.join(far)
            await asyncio.wait([near.over, far.over], return_when=asyncio.FIRST_COMPLETED)
        except (OSError, TimeoutError, KubeError) as error:
            log.info("an agent's connection can't be passed on", why=str(error) or "no answer in time")
            if near.transport is not None:
                break_off(near.transport)
        finally:
            self._sides.discard(near)

    async def _find(self) -> str:
        if time.monotonic() - self._asked > REMEMBER:
            found = (await self._client.get(CONFIGMAPS, HUB_CONFIGMAP, SYSTEM_NAMESPACE)).body().get("data") or {}
            self._leader, self._asked = str(found.get(KEY_LEADER, "")), time.monotonic()
        return self._leader


class _Near(Half):
    """The side of an agent. What it says before there is a leader's side waits here: one read of it, not more."""

    def __init__(self, relay: Relay) -> None:
        super().__init__()
        self._relay = relay
        self._joining: asyncio.Task[None] | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._joining = asyncio.get_running_loop().create_task(self._relay.join(self))

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            super().data_received(data)
            return
        self._early.append(data)
        if self.transport is not None:
            self.transport.pause_reading()  # not before: uvloop forgets a pause of connection_made

    def eof_received(self) -> bool:
        return self.other is not None and super().eof_received()

    def join(self, far: Half) -> None:
        self.other, far.other = far, self
        if self._early and self.transport is not None:
            for data in self._early:
                super().data_received(data)
            self._early.clear()
            self.transport.resume_reading()


async def own_address(server: str, bound: str) -> str:
    """Where other processes of the hub find this one, which listens on `bound` (host:port): at that host, or where that
    is every address, at the one by which it reaches the API server at URL `server`.
    """
    host, _, port = bound.rpartition(":")
    if host.strip("[]") not in {"", "0.0.0.0", "::"}:  # noqa: S104  what is asked for, not served
        return bound
    where = urlsplit(server)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=(where.hostname or "", where.port or 443)
    )
    with contextlib.closing(transport):  # nothing is sent
        found = str(transport.get_extra_info("sockname")[0])
    return f"[{found}]:{port}" if ":" in found else f"{found}:{port}"
