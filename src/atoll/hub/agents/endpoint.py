"""Port 8443: where agents enrol, renew and connect. Nothing is served to who hasn't proved who he is, but the
authority's certificate, which is public.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec
import structlog
from aiohttp import web

from atoll.fleet.grants import proxy_path
from atoll.hub.agents.asked import Asked
from atoll.hub.agents.authority import authority, publish, server_context
from atoll.hub.agents.proxy import Proxy
from atoll.hub.agents.relay import own_address
from atoll.hub.agents.trust import Proof, RefusedError, Trust
from atoll.hub.webhook import load
from atoll.kube.client import Client
from atoll.link.certificates import Authority, renew_at
from atoll.link.dialling import LINK_PATH
from atoll.link.enrolment import AUTHORITY_PATH, ENROL_PATH, RENEW_PATH, Request
from atoll.link.listening import Listener, refusal
from atoll.link.session import Lost
from atoll.telemetry.serving import running

log = structlog.get_logger(__name__)

BODY_MOST = 64 << 10
IDLE = 20.0
"""Seconds in which whoever connects, and is nobody yet, has said what he wants: who says nothing holds a place."""
LOOK = 60.0
"""Seconds between two looks at how old the hub's certificate is."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def nobody(_: str) -> None:
    """Nobody is connected whose access could end."""


class Ends:
    """The hub's ends of all links, and who is asked when something about a cluster has changed."""

    def __init__(self, listener: Listener, asked: Asked) -> None:
        self.listener = listener
        self.asked = asked
        self.review: Callable[[str], None] = nobody


class Host(Protocol):
    """The hub, as far as its endpoint needs it."""

    ends: Ends

    def trust(self, authority: Authority) -> Trust: ...
    def proxy(self) -> Proxy: ...


class Endpoint:
    """The routes. Whoever is connected was trusted when he came; `review` asks again."""

    def __init__(self, trust: Trust, listener: Listener, certificate: bytes, proxy: Proxy) -> None:
        self._trust = trust
        self._proxy = proxy
        self._listener = listener
        self._certificate = certificate
        self._proofs: dict[str, Proof] = {}

    def app(self) -> web.Application:
        app = web.Application(client_max_size=BODY_MOST, middlewares=[refusals])
        app.add_routes(
            [
                web.get(AUTHORITY_PATH, self._authority),
                web.post(ENROL_PATH, self._enrol),
                web.post(RENEW_PATH, self._renew),
                web.get(LINK_PATH, self._link),
                web.route("*", proxy_path("{cluster}") + "/{path:.*}", self._proxy.serve),
            ]
        )
        return app

    def review(self, cluster: str) -> None:
        """Something about `cluster` has changed: is its agent still the one?"""
        proof = self._proofs.get(cluster)
        if proof is None:
            return
        try:
            self._trust.check(proof)
        except RefusedError as error:
            del self._proofs[cluster]
            self._listener.close(cluster, Lost(error.reason, str(error)))

    async def _authority(self, _: web.Request) -> web.Response:
        return web.Response(body=self._certificate, content_type="application/x-pem-file")

    async def _enrol(self, request: web.Request) -> web.Response:
        return _json(await self._trust.enrol(await _read(request)))

    async def _renew(self, request: web.Request) -> web.Response:
        return _json(self._trust.renew(self._trust.prove(_peer(request)), await _read(request)))

    async def _link(self, request: web.Request) -> web.StreamResponse:
        proof = self._trust.prove(_peer(request))
        cluster = self._trust.check(proof).name
        self._proofs[cluster] = proof
        return await self._listener.upgrade(request, cluster, proof.until)


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refusals as answers."""
    try:
        return await handler(request)
    except RefusedError as error:
        log.info("agent refused", path=request.path, address=request.remote, reason=error.reason, why=str(error))
        return refusal(error.status, error.reason, str(error))


async def _read(request: web.Request) -> Request:
    try:
        async with asyncio.timeout(IDLE):
            return msgspec.json.decode(await request.read(), type=Request)
    except TimeoutError:
        raise RefusedError(408, "Timeout", f"the request didn't come within {IDLE:g} s") from None
    except msgspec.DecodeError as error:
        raise RefusedError(400, "BadRequest", str(error)) from error


def _json(value: msgspec.Struct) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


def _peer(request: web.Request) -> bytes | None:
    """The client certificate that TLS has verified (DER)."""
    secure = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
    return secure.getpeercert(binary_form=True) if secure is not None else None


@asynccontextmanager
async def serve_agents(
    client: Client,
    hub_id: str,
    address: str,
    hosts: tuple[str, ...],
    hub: Host,
) -> AsyncIterator[str]:
    """Serve on `address` (host:port, port 0 a free one) while the context lasts, for agents that reach it by `hosts`
    (names or addresses, with a port where it is another one); yields the address in use.
    """
    ca = await authority(client, hub_id)
    names = tuple(host.rpartition(":")[0] or host for host in hosts)
    pair = ca.server(names)
    context = server_context(pair, ca.certificate)
    trust = hub.trust(ca)
    endpoint = Endpoint(trust, hub.ends.listener, ca.certificate, hub.proxy())
    app = endpoint.app()
    app.add_routes(hub.ends.asked.routes())
    await hub.ends.asked.prepare()
    async with running(app, address, context, idle=IDLE) as bound:
        port = bound.rpartition(":")[2]
        trust.addresses = tuple(f"https://{host if ':' in host else f'{host}:{port}'}" for host in hosts)
        await publish(client, ca.certificate, trust.addresses, await own_address(client.config.server, bound))
        hub.ends.review = endpoint.review
        renewing = asyncio.create_task(_renewing(context, ca, names, renew_at(pair.certificate)))
        log.info("agents", address=bound, reached=list(trust.addresses))
        try:
            yield bound
        finally:
            hub.ends.review = nobody
            renewing.cancel()
            hub.ends.listener.close_all(Lost("Closed", "this process of the hub ends"))  # the server waits for them


async def _renewing(context: ssl.SSLContext, ca: Authority, names: tuple[str, ...], when: float) -> None:
    """New handshakes get a new certificate when the old one is past most of its life, by the wall clock: that is looked
    at often, since clocks are set and machines sleep.
    """
    while True:
        await asyncio.sleep(LOOK)
        if time.time() < when:
            continue
        pair = ca.server(names)
        load(context, pair.certificate, pair.key)
        when = renew_at(pair.certificate)
