"""A member's API through the hub, for who shows a grant: request by request, the bytes passed on as they are.

Each request gets a connection of its own to the member's API server. So an upgrade (exec, attach, port-forward, by
WebSocket or SPDY) is nothing special: after the request's head both directions are bytes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from atoll.fleet import grants
from atoll.hub.agents.trust import RefusedError
from atoll.kube.connection import Config
from atoll.kube.errors import KubeError, Unreachable
from atoll.kube.objects import Object
from atoll.kube.tls import context_for
from atoll.link.splice import Half

OPEN_TIMEOUT = 15.0
WAITING_MOST = 1 << 20
"""Bytes of a request that may wait here for a slow member."""
_OURS = frozenset(
    {"authorization", "connection", "host", "keep-alive", "proxy-authorization", "te", "trailer", "transfer-encoding"}
)
_SAYS_WHO = ("impersonate-", "x-remote-")
"""Beginnings of headers by which somebody could be somebody else: they would act with the hub's right to say so."""


class Proxy:
    """`config(cluster)` is how the hub reaches it now, None when it doesn't; `grant(name)` the Secret of a grant."""

    def __init__(
        self, config: Callable[[str], Config | None], grant: Callable[[str], Awaitable[Object | None]]
    ) -> None:
        self._config = config
        self._grant = grant

    async def serve(self, request: web.Request) -> web.StreamResponse:
        cluster = request.match_info["cluster"]
        await self._check(request, cluster)
        config = self._config(cluster)
        if config is None:
            raise RefusedError(404, "UnknownCluster", f"there is no Cluster {cluster} that the hub reaches now")
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                member = await _connect(config)
        except (KubeError, OSError, TimeoutError) as error:
            reason = error.reason if isinstance(error, Unreachable) else "Unreachable"
            raise RefusedError(502, reason, f"{cluster} can't be reached: {error or 'no answer in time'}") from error
        return await _pass_on(request, member, config, grants.proxy_path(cluster))

    async def _check(self, request: web.Request, cluster: str) -> None:
        scheme, _, credential = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        name = grants.name_of(credential) if scheme.lower() == "bearer" else ""
        if not name or not grants.opens(await self._grant(name), credential, cluster):
            raise RefusedError(401, "Unauthorized", "this needs a grant for the cluster; `atoll kubectl` makes one")


async def _connect(config: Config) -> Half:
    loop = asyncio.get_running_loop()
    where = urlsplit(config.server)
    host, port = where.hostname or "", where.port or (443 if where.scheme == "https" else 80)
    context = context_for(config) if where.scheme == "https" else None
    name = (config.tls_server_name or host) if context else None
    if not config.dial:
        direct, made = await loop.create_connection(Half, host, port, ssl=context, server_hostname=name)
        direct.pause_reading()
        return made
    way, half = await config.dial(host, port), Half()
    if context is not None:
        try:
            way = await loop.start_tls(way, half, context, server_hostname=name)
        except BaseException:
            way.abort()
            raise
    else:
        way.set_protocol(half)
    half.connection_made(way)
    way.pause_reading()
    return half


async def _pass_on(request: web.Request, member: Half, config: Config, prefix: str) -> web.StreamResponse:
    """Both directions until the member closes. The answer goes out as it comes: there is nothing for us to say."""
    client, upstream = request.transport, member.transport
    if client is None or upstream is None:
        return _Sent()
    try:
        upstream.write(_head(request, config, prefix))
        if not _upgrades(request):
            await _send_body(request, upstream)
        near = _Near(member, client.get_protocol(), listens=_upgrades(request))
        near.connection_made(client)
        member.other = near
        client.set_protocol(near)
        upstream.resume_reading()
        await member.over
    finally:
        upstream.abort()
    return _Sent()


class _Near(Half):
    """The client's side of one exchange. Unless it `listens`, what comes after the request is nobody's."""

    def __init__(self, member: Half, former: asyncio.BaseProtocol, *, listens: bool) -> None:
        super().__init__()
        self.other = member
        self._former = former
        self._listens = listens

    def data_received(self, data: bytes) -> None:
        if self._listens:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._former.connection_lost(exc)
        super().connection_lost(exc)


class _Sent(web.StreamResponse):
    """An answer whose bytes have gone out already."""

    async def prepare(self, request: web.BaseRequest) -> None:
        del request

    async def write_eof(self, data: bytes = b"") -> None:
        del data


def _upgrades(request: web.Request) -> bool:
    return hdrs.UPGRADE in request.headers and "upgrade" in request.headers.get(hdrs.CONNECTION, "").lower()


def _head(request: web.Request, config: Config, prefix: str) -> bytes:
    named = {name.strip().lower() for name in request.headers.get(hdrs.CONNECTION, "").split(",")}
    named -= {"upgrade", "content-length"}  # without its length a body would read as another request
    upgrades = _upgrades(request)
    lines = [f"{request.method} {request.raw_path.removeprefix(prefix) or '/'} HTTP/1.1"]
    for key, value in request.headers.items():
        low = key.lower()
        if low in _OURS or low in named or low.startswith(_SAYS_WHO) or (low == "upgrade" and not upgrades):
            continue
        lines.append(f"{key}: {value}")
    lines.append(f"Host: {urlsplit(config.server).netloc}")
    if config.token:
        lines.append(f"Authorization: Bearer {config.token}")
    lines.append(f"Connection: {'Upgrade' if upgrades else 'close'}")
    if not upgrades and request.body_exists and request.content_length is None:
        lines.append("Transfer-Encoding: chunked")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")


async def _send_body(request: web.Request, upstream: asyncio.Transport) -> None:
    if not request.body_exists:
        return
    chunked = request.content_length is None
    async for piece in request.content.iter_any():
        while upstream.get_write_buffer_size() > WAITING_MOST and not upstream.is_closing():  # noqa: ASYNC110  rare
            await asyncio.sleep(0.01)  # the member takes it slowly: so do we
        upstream.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
    if chunked:
        upstream.write(b"0\r\n\r\n")
