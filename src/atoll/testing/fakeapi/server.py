"""The HTTP of an API server, over a FakeCluster: plain, on the loopback interface, on a free port."""

import asyncio
import contextlib
import time
from types import TracebackType
from typing import Self

import msgspec
from aiohttp import web

from atoll.api.objects import Json
from atoll.kube.config import Config
from atoll.testing.fakeapi.cluster import FakeCluster
from atoll.testing.fakeapi.faults import (
    BreakWatch,
    Delay,
    EndWatch,
    Fault,
    Faults,
    Gone,
    HangWatch,
    Refuse,
    Repeat,
    Reset,
    SlowBody,
)
from atoll.testing.fakeapi.handling import Asked, Handling, NoSuchPath, Target, verb_of
from atoll.testing.fakeapi.refusals import Refusal, expired
from atoll.testing.fakeapi.watches import Watch

_encode = msgspec.json.Encoder().encode
LONGEST_WATCH = 3600.0


class FakeApi:
    """`async with FakeApi(cluster) as api`: `api.config` is how to reach it.

    `bookmark_every` is in seconds. `requests` counts by verb. `faults` may be changed at any time.
    """

    def __init__(
        self, cluster: FakeCluster | None = None, faults: Faults | None = None, *, bookmark_every: float = 60.0
    ) -> None:
        self.cluster = cluster or FakeCluster()
        self.faults = faults or Faults()
        self._handling = Handling(self.cluster)
        self.requests: dict[str, int] = {}
        self.url = ""
        self._bookmark_every = bookmark_every
        self._runner: web.AppRunner | None = None
        self._watches: list[web.Request] = []

    @property
    def config(self) -> Config:
        return Config(server=self.url)

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=3 << 20)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.break_connections()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def watching(self) -> int:
        """How many watches run."""
        return len(self._watches)

    def break_connections(self) -> None:
        """Reset the connection of every watch that runs."""
        for request in tuple(self._watches):
            _reset(request)

    # Requests

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._dispatch(request)
        except NoSuchPath:
            return web.Response(status=404, text="404 page not found\n")
        except Refusal as refusal:
            headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
            return _json(refusal.status(), refusal.code, headers)

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        about = self._handling.about(request.path)
        if about is not None:
            return web.Response(text=about) if isinstance(about, str) else _json(about)
        asked = Asked(request.method, request.path, request.query, request.content_type)
        target = self._handling.target(request.path)
        verb = verb_of(asked, target)
        self.requests[verb] = self.requests.get(verb, 0) + 1
        fault = self.faults.draw(verb, target.kind.resource.plural, target.namespace)
        match fault:
            case Delay(seconds):
                await asyncio.sleep(self.faults.spread(seconds))
            case Refuse(code, reason, retry_after):
                raise Refusal(code, reason, f"{reason} by a fault", retry_after=retry_after)
            case Reset(after=False):
                return _reset(request)
        if verb == "watch":
            return await self._watch(request, target, fault)
        code, answer = self._handling.perform(verb, target, asked._replace(body=await request.read()))
        match fault:
            case Reset(after=True):
                return _reset(request)
            case SlowBody():
                return await _slowly(request, code, _encode(answer), fault)
        return _json(answer, code)

    # Watches

    async def _watch(self, request: web.Request, target: Target, fault: Fault | None) -> web.StreamResponse:
        if isinstance(fault, Gone) and fault.as_status:
            raise expired()
        watch, pending = self._handling.watch(target, request.query)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        if isinstance(fault, Repeat) and not pending:
            pending += watch.older(fault.events)
        self._watches.append(request)
        try:
            with contextlib.suppress(ConnectionError):
                await self._send(request, response, watch, pending, fault)
        finally:
            self._watches.remove(request)
        return response

    async def _send(
        self,
        request: web.Request,
        response: web.StreamResponse,
        watch: Watch,
        pending: list[bytes],
        fault: Fault | None,
    ) -> None:
        """Send `pending` and what comes then, until the time is over or the fault strikes."""
        ends = time.monotonic() + float(request.query.get("timeoutSeconds") or LONGEST_WATCH)
        strikes = fault.events if isinstance(fault, BreakWatch | EndWatch | HangWatch | Gone) else None
        torn = isinstance(fault, BreakWatch) and fault.torn
        while True:
            if strikes is not None and len(pending) >= strikes + torn:
                await self._strike(request, response, watch, pending, fault, strikes)
                return
            if pending:
                await response.write(b"".join(pending))
                strikes = None if strikes is None else strikes - len(pending)
            pending = await self._next(request, watch, ends)
            if not pending:
                return

    async def _next(self, request: web.Request, watch: Watch, ends: float) -> list[bytes]:
        """The next events, or a bookmark when none came for long; nothing when the watch is over."""
        marks = request.query.get("allowWatchBookmarks") in {"true", "1"}
        quiet = min(self._bookmark_every, ends - time.monotonic()) if marks else ends - time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, quiet)):
                while True:
                    await watch.wait_news()
                    if news := list(watch.news()):
                        return news
                    if not watch.is_served(self.cluster.kinds):
                        return []
        except TimeoutError:
            return [watch.bookmark()] if marks and time.monotonic() < ends else []
        except Refusal as refusal:
            return [watch.error(refusal)]

    async def _strike(
        self,
        request: web.Request,
        response: web.StreamResponse,
        watch: Watch,
        pending: list[bytes],
        fault: Fault | None,
        strikes: int,
    ) -> None:
        sent, rest = pending[:strikes], pending[strikes:]
        if isinstance(fault, Gone):
            sent.append(watch.error(expired()))
        if isinstance(fault, BreakWatch) and fault.torn:
            sent.append(rest[0][: len(rest[0]) // 2])
        if sent:
            await response.write(b"".join(sent))
        if isinstance(fault, BreakWatch):
            _reset(request)
        if isinstance(fault, HangWatch):
            await asyncio.sleep(LONGEST_WATCH)


def _json(body: Json, code: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=_encode(body), status=code, content_type="application/json", headers=headers)


def _reset(request: web.Request) -> web.Response:
    """Close the connection without a word; what is returned is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _slowly(request: web.Request, code: int, body: bytes, fault: SlowBody) -> web.StreamResponse:
    response = web.StreamResponse(status=code, headers={"Content-Type": "application/json"})
    response.content_length = len(body)
    with contextlib.suppress(ConnectionError):
        await response.prepare(request)
        end = len(body) // 2 if fault.cut else len(body)
        for start in range(0, end, fault.size):
            await response.write(body[start : min(start + fault.size, end)])
            await asyncio.sleep(fault.pause)
        if fault.cut:
            _reset(request)
    return response
