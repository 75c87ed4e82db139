"""A proxy before one API server that does to requests what bad networks and busy servers do, and notes each of them.

Plain HTTP in front, the real server behind; answers are passed on piece by piece, watches as they come:

    async with FaultProxy(load_kubeconfig(path, "member1")) as proxy:
        client = Client(proxy.config)
        overload = proxy.on(to("PATCH"), Answer(429, retry_after=1))
        …
        overload.end()
        assert len(proxy.asked("PATCH")) < 20

Whoever connects to `proxy.url` acts with the credentials that they send, or, where the given configuration has a client
certificate, with that one: a certificate can't be passed on.
"""

import asyncio
import random
import re
import socket
import struct
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
from aiohttp import web
from yarl import URL

from atoll.kube.connection import Config
from atoll.kube.tls import context_for

_THIS_HOP_ONLY = frozenset(
    {"connection", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length"}
)
_REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends a reset."""


@dataclass
class Exchange:
    """One request and what came of it. `status` is 0 while there is no answer, and if there never was one."""

    method: str
    path: str
    query: str
    watch: bool
    at: float
    """time.monotonic() when it came."""
    status: int = 0
    sent: int = 0
    """Bytes of the answer's body that were passed on."""


Match = Callable[[Exchange], bool]


def to(method: str = "", path: str = "", *, watch: bool | None = None) -> Match:
    """Matches requests by method, by a regular expression found in the path, and by whether they are watches."""
    pattern = re.compile(path)

    def matches(exchange: Exchange) -> bool:
        return (
            method in {"", exchange.method}
            and watch in {None, exchange.watch}
            and pattern.search(exchange.path) is not None
        )

    return matches


EVERYTHING = to()


class Answer(msgspec.Struct, frozen=True):
    """The server never sees the request; this answer comes, as a Kubernetes Status. `retry_after` in seconds."""

    status: int
    message: str = "by the fault proxy"
    retry_after: int | None = None


class Expire(msgspec.Struct, frozen=True):
    """A watch that begins well, and whose first event says that its resourceVersion is too old (410)."""


class Delay(msgspec.Struct, frozen=True):
    """The request is passed on after `seconds`."""

    seconds: float


class Cut(msgspec.Struct, frozen=True):
    """The connection is reset: `after` bytes of the answer's body, or at once and unseen by the server when None."""

    after: int | None = None


class Slow(msgspec.Struct, frozen=True):
    """The answer's body comes at so many bytes a second."""

    bytes_per_second: int


class Stall(msgspec.Struct, frozen=True):
    """The answer begins, and nothing follows while this lasts; watches that are open already stand still, too."""


class Silence(msgspec.Struct, frozen=True):
    """Nothing comes back, and nothing gets through: a black hole for what matches, while it lasts."""


Fault = Answer | Expire | Delay | Cut | Slow | Stall | Silence


@dataclass
class Rule:
    """A fault and whom it meets. `times`: how many requests yet, None for all of them."""

    matches: Match
    fault: Fault
    times: int | None
    chance: float
    met: int = 0
    """Requests that met it."""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self) -> None:
        """From now on it meets nobody, and what stands still because of it goes on."""
        self.over.set()


class FaultProxy:
    """Stands before the server of `config` while the context lasts. `seed` makes what happens by chance repeatable."""

    def __init__(self, config: Config, *, seed: int = 0) -> None:
        self._behind = config
        self._random = random.Random(seed)
        self._rules: list[Rule] = []
        self._open: list[tuple[web.BaseRequest, Exchange]] = []
        self._stack = AsyncExitStack()
        self._session: aiohttp.ClientSession
        self.url = ""
        """Where it listens, on loopback."""
        self.requests: list[Exchange] = []
        """All that came, in order."""

    @property
    def config(self) -> Config:
        """How to reach the server through here, with the same credentials."""
        plain = msgspec.structs.replace(self._behind, server=self.url, ca=b"", tls_server_name="", insecure=False)
        return msgspec.structs.replace(plain, client_certificate=b"", client_key=b"", proxy_url="")

    async def __aenter__(self) -> Self:
        secure = self._behind.server.startswith("https")
        connector = aiohttp.TCPConnector(limit=0, ssl=context_for(self._behind) if secure else True)
        self._session = await self._stack.enter_async_context(
            aiohttp.ClientSession(
                connector=connector,
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                read_bufsize=1 << 18,
                max_field_size=1 << 16,
            )
        )
        server = web.Server(self._serve, handler_cancellation=True, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    # What tests say and ask

    def on(self, matches: Match, fault: Fault, *, times: int | None = None, chance: float = 1.0) -> Rule:
        """Let `fault` meet the requests that match, from now on; of several rules the oldest that holds counts."""
        rule = Rule(matches, fault, times, chance)
        self._rules.append(rule)
        return rule

    def blackhole(self) -> Rule:
        """Nothing gets through any more, nor back on what is open."""
        return self.on(EVERYTHING, Silence())

    def cut(self, matches: Match = EVERYTHING) -> int:
        """Reset the connections of matching requests that are under way now; how many."""
        found = [request for request, exchange in self._open if matches(exchange)]
        for request in found:
            _reset(request)
        return len(found)

    def asked(self, method: str = "", path: str = "", *, watch: bool | None = None, since: float = 0) -> list[Exchange]:
        """The requests that match (as `to` does) and came at `since` (time.monotonic()) or later."""
        matches = to(method, path, watch=watch)
        return [exchange for exchange in self.requests if exchange.at >= since and matches(exchange)]

    @property
    def under_way(self) -> tuple[Exchange, ...]:
        """The requests that have not ended."""
        return tuple(exchange for _, exchange in self._open)

    # What becomes of one request

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        watch = request.query.get("watch", "") in {"1", "true"}
        exchange = Exchange(request.method, request.path, request.query_string, watch, time.monotonic())
        self.requests.append(exchange)
        self._open.append((request, exchange))
        try:
            return await self._meet(request, exchange)
        except (aiohttp.ClientError, ConnectionError):  # one of both sides is gone: neither gets an answer
            return _reset(request)
        finally:
            self._open = [entry for entry in self._open if entry[1] is not exchange]

    async def _meet(self, request: web.BaseRequest, exchange: Exchange) -> web.StreamResponse:
        body = await request.read()
        rule = self._rule(exchange)
        match rule.fault if rule else None:
            case Answer() as answer:
                exchange.status = answer.status
                return _status(answer)
            case Expire():
                exchange.status = 200
                event = {"type": "ERROR", "object": _status_body(410, "too old resource version")}
                return web.Response(body=msgspec.json.encode(event) + b"\n", content_type="application/json")
            case Cut(after=None):
                return _reset(request)
            case Delay(seconds=seconds):
                await asyncio.sleep(seconds)
        await self._standing_still(exchange, Silence)
        return await self._pass_on(request, exchange, body, rule.fault if rule else None)

    def _rule(self, exchange: Exchange) -> Rule | None:
        """The rule that meets a new request. Silence and Stall are looked up by whoever stands still."""
        for rule in self._rules:
            if rule.over.is_set() or not rule.matches(exchange) or isinstance(rule.fault, Silence | Stall):
                continue
            if rule.chance < 1 and self._random.random() >= rule.chance:
                continue
            rule.met += 1
            if rule.times is not None and rule.met >= rule.times:
                rule.end()
            return rule
        return None

    async def _standing_still(self, exchange: Exchange, *faults: type[Fault]) -> None:
        """Return when no rule with one of `faults` holds this request up."""
        while holding := [
            rule
            for rule in self._rules
            if isinstance(rule.fault, faults) and not rule.over.is_set() and rule.matches(exchange)
        ]:
            holding[0].met += 1
            await holding[0].over.wait()

    async def _pass_on(
        self, request: web.BaseRequest, exchange: Exchange, body: bytes, fault: Fault | None
    ) -> web.StreamResponse:
        url = URL(f"{self._behind.server}{request.raw_path}", encoded=True)
        headers = [(k, v) for k, v in request.headers.items() if k.lower() not in _THIS_HOP_ONLY]
        name = self._behind.tls_server_name or None
        async with self._session.request(
            request.method, url, headers=headers, data=body or None, allow_redirects=False, server_hostname=name
        ) as answer:
            await self._standing_still(exchange, Silence)
            exchange.status = answer.status
            response = web.StreamResponse(status=answer.status, reason=answer.reason)
            for key, value in answer.headers.items():
                if key.lower() not in _THIS_HOP_ONLY:
                    response.headers.add(key, value)
            response.content_length = answer.content_length
            await response.prepare(request)
            async with aclosing(self._pieces(answer, exchange, fault)) as pieces:
                async for piece in pieces:
                    exchange.sent += len(piece)
                    await response.write(piece)
            if isinstance(fault, Cut):
                return _reset(request, response)
            await response.write_eof()
            return response

    async def _pieces(
        self, answer: aiohttp.ClientResponse, exchange: Exchange, fault: Fault | None
    ) -> AsyncGenerator[bytes, None]:
        """The answer's body as it comes, as far and as fast as `fault` lets it."""
        await self._standing_still(exchange, Silence, Stall)
        async for whole in answer.content.iter_any():
            await self._standing_still(exchange, Silence, Stall)
            match fault:
                case Cut(after=int(after)):
                    yield whole[: max(0, after - exchange.sent)]
                    if exchange.sent >= after:
                        return
                case Slow(bytes_per_second=rate):
                    step = max(1, rate // 10)
                    for start in range(0, len(whole), step):
                        await asyncio.sleep(step / rate)
                        yield whole[start : start + step]
                case _:
                    yield whole


def _reset(request: web.BaseRequest, response: web.StreamResponse | None = None) -> web.StreamResponse:
    """Break the connection so that the other side sees a reset, not an end."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    return response or web.Response(status=502)


def _status(answer: Answer) -> web.Response:
    headers = {} if answer.retry_after is None else {"Retry-After": str(answer.retry_after)}
    return web.json_response(_status_body(answer.status, answer.message), status=answer.status, headers=headers)


def _status_body(code: int, message: str) -> dict[str, object]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": _REASONS.get(code, ""),
        "code": code,
    }
