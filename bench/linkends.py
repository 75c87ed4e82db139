"""The processes of bench/link: an agent, a hub that forwards a local port through it, what is at the far end; and two
bare relays, which do the same with a TLS connection for each stream.

Usage: python -m bench.linkends far PORT | hub FOLDER LINK LOCAL FAR | agent FOLDER LINK FAR |
bare-hub FOLDER LOCAL LINK | bare-agent FOLDER LINK FAR. Ports are of loopback.
"""

import asyncio
import gc
import ssl
import sys
from pathlib import Path
from typing import cast

from aiohttp import web

from atoll.kube.connection import Config
from atoll.link.destinations import Destinations, tcp
from atoll.link.dialling import dial, new_instance
from atoll.link.listening import Listener
from atoll.link.session import LinkError
from atoll.link.sessions import LinkSession
from atoll.link.splice import Half, break_off, splice
from atoll.runtime.loop import serving_loop
from atoll.testing.localfleet.certificates import Authority

HOST = "127.0.0.1"
ECHO, COUNT, STALL = b"E", b"C", b"S"
"""A connection's first byte says what the far end does with it: send back, count until a last Z, never read on."""


class Far(asyncio.Protocol):
    """The far end of one connection."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.kind = b""

    def data_received(self, data: bytes) -> None:
        self.kind = self.kind or data[:1]
        if self.kind == ECHO:
            self.transport.write(data)
        elif self.kind == STALL:
            self.transport.pause_reading()
        elif data[-1:] == b"Z":
            self.transport.write(b"done\n")


class Front(Half):
    """A local connection on the hub's side: what it says waits until its stream is open."""

    def __init__(self, listener: Listener, target: str) -> None:
        super().__init__()
        self._listener = listener
        self._target = target

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        near = cast("asyncio.Transport", transport)
        session = self._listener.session("member")
        try:
            if session is None:
                raise LinkError("Closed", "no agent")
            splice(near, session.begin(self._target))
        except LinkError:
            break_off(near)


async def far(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Far, HOST, port, backlog=4096)
    await server.serve_forever()


class Bare(Half):
    """A connection that waits until its other side is made."""

    def __init__(self, port: int, context: ssl.SSLContext | None) -> None:
        super().__init__()
        self._port = port
        self._context = context

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._early: list[bytes] = []
        self._joining = asyncio.get_running_loop().create_task(self._join())

    async def _join(self) -> None:
        far = Half()
        far.other = self
        await asyncio.get_running_loop().create_connection(lambda: far, HOST, self._port, ssl=self._context)
        self.other = far
        for data in self._early:
            super().data_received(data)

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self._early.append(data)
        else:
            super().data_received(data)


async def bare(listens: int, port: int, *, server: ssl.SSLContext | None, client: ssl.SSLContext | None) -> None:
    made = await asyncio.get_running_loop().create_server(lambda: Bare(port, client), HOST, listens, ssl=server)
    await made.serve_forever()


def serving(folder: Path) -> ssl.SSLContext:
    pair = Authority(folder, "hub").issue("server", "hub", hosts=[HOST])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    return context


async def hub(folder: Path, link: int, local: int, target: int) -> None:
    listener = Listener("hub", lambda *_: None)
    server = web.Server(lambda request: listener.upgrade(request, "member"), access_log=None)
    runner = web.ServerRunner(server)
    await runner.setup()
    await web.TCPSite(runner, HOST, link, ssl_context=serving(folder)).start()
    front = await asyncio.get_running_loop().create_server(
        lambda: Front(listener, tcp(HOST, target)), HOST, local, backlog=4096
    )
    await front.serve_forever()


async def agent(folder: Path, link: int, target: int) -> None:
    session = LinkSession("hub")
    Destinations([tcp(HOST, target)]).serve(session)
    config = Config(server=f"https://{HOST}:{link}", ca=(folder / "ca.crt").read_bytes())
    await dial(config, session, instance=new_instance())
    print("connected", flush=True)
    await session.wait_lost()


def main(role: str, *arguments: str) -> None:
    gc.freeze()
    with asyncio.Runner(loop_factory=serving_loop) as runner:
        match role:
            case "far":
                runner.run(far(int(arguments[0])))
            case "hub":
                runner.run(hub(Path(arguments[0]), *map(int, arguments[1:])))
            case "agent":
                runner.run(agent(Path(arguments[0]), *map(int, arguments[1:])))
            case "bare-hub":
                context = ssl.create_default_context(cafile=str(Path(arguments[0], "ca.crt")))
                runner.run(bare(*map(int, arguments[1:]), server=None, client=context))
            case "bare-agent":
                runner.run(bare(*map(int, arguments[1:]), server=serving(Path(arguments[0])), client=None))


if __name__ == "__main__":
    main(*sys.argv[1:])
