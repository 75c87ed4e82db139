"""A hub and agents on loopback, with TLS of their own."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from atoll.kube.connection import Config
from atoll.link.dialling import dial, new_instance
from atoll.link.listening import Arrival, Listener
from atoll.link.session import Lost, Stream
from atoll.link.sessions import LinkSession
from atoll.testing.localfleet.certificates import Authority


@dataclass
class HubEnd:
    """A listener, and how to reach it. A request says in its path who it is of; trust is another room's matter."""

    listener: Listener
    config: Config
    arrivals: list[Arrival] = field(default_factory=list)

    async def session(self, peer: str = "m1") -> LinkSession:
        async with asyncio.timeout(5):
            while (found := self.listener.session(peer)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            return found


@asynccontextmanager
async def hub(folder: Path, serve: Callable[[LinkSession], None] = lambda _: None) -> AsyncIterator[HubEnd]:
    authority = Authority(folder, "hub")
    pair = authority.issue("server", "hub", hosts=["127.0.0.1", "localhost"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)

    def arrived(session: LinkSession, arrival: Arrival) -> None:
        end.arrivals.append(arrival)
        serve(session)

    listener = Listener("hub-id", arrived)
    runner = web.ServerRunner(
        web.Server(lambda request: listener.upgrade(request, "m1"), access_log=None), shutdown_timeout=0.1
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    port = runner.addresses[0][1]
    end = HubEnd(listener, Config(server=f"https://127.0.0.1:{port}", ca=authority.pair.cert.read_bytes()))
    try:
        yield end
    finally:
        await runner.cleanup()


@asynccontextmanager
async def agent(
    hub: Config, serve: Callable[[LinkSession], None] = lambda _: None, *, connections: int = 1, instance: str = ""
) -> AsyncIterator[LinkSession]:
    session = LinkSession("hub-id")
    serve(session)
    instance = instance or new_instance()
    for index in range(connections):
        await dial(hub, session, instance=instance, index=index)
    try:
        yield session
    finally:
        session.close(Lost("Closed", "the test is over"))
        await asyncio.gather(*session._last, return_exceptions=True)


def echoing(session: LinkSession) -> None:
    session.serve(echo, lambda target: target.startswith("echo"))


async def echo(stream: Stream) -> None:
    while data := await stream.read(1 << 16):
        await stream.write(data)
    await stream.write(b"over")


async def eventually(true: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
