"""API servers in this very process, and the way to them without sockets: requests are calls, answers come later.

Above the transport everything is the real client. What can go wrong is what `fakeapi.faults` has, and a server that is
away: it refuses connections, or takes them and says nothing.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from random import Random
from types import TracebackType
from typing import Any, Literal, NamedTuple, NoReturn, Self

import msgspec

from atoll.kube.config import Config
from atoll.kube.errors import Unreachable, api_error
from atoll.kube.transport import Answer, Request, Transport
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

State = Literal["up", "refusing", "silent"]

_encode = msgspec.json.Encoder().encode
BOOKMARK_EVERY = 60.0
LONGEST_LATENCY = 0.004
"""Seconds that a request, or an answer, is on its way."""
MOST_WATCHED = 300.0


class Call(NamedTuple):
    """A request that a server is about to carry out: `by` is the process that sent it, `at` the time."""

    by: str
    at: float
    verb: str
    target: Target
    asked: Asked


class Reply(NamedTuple):
    """`status` from 400: a refusal."""

    status: int
    body: bytes
    retry_after: int | None = None


class Server:
    """One cluster's API server. `state`, `faults` and `lag` may be changed at any time."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.url = f"http://{name}.fake"
        self.cluster = FakeCluster(seed)
        self.faults = Faults(seed)
        self.state: State = "up"
        self.lag = 0.0
        """Seconds, at most, by which watches are behind."""
        self.received: Counter[str] = Counter()
        """Requests by process."""
        self.calling: Callable[[Call], None] = lambda _: None
        """Called with each request that takes effect, before it does."""
        self.by = ""
        """The process whose request is being carried out; "" while somebody else writes."""
        self.hanging = 0
        """Watches that tell nothing any more, and requests that are answered late or never, as long as who sent them
        waits.
        """
        self._handling = Handling(self.cluster)
        self._random = Random(seed)
        self._connections = 0
        """Grows when all connections break: streams that were opened before are broken."""

    def go(self, state: State) -> None:
        """Go away, or come back; whoever is connected is cut off, unless the server falls silent."""
        self.state = state
        if state != "silent":
            self.cut()

    def cut(self) -> None:
        """Break all connections."""
        self._connections += 1
        self._rouse()

    def compact(self) -> None:
        """Forget the past: watches from there are answered with 410."""
        self.cluster.store.compact()

    def _rouse(self) -> None:
        for kind in self.cluster.kinds.all():
            self.cluster.store.tell(kind.group_kind)

    async def latency(self) -> None:
        await asyncio.sleep(self._random.uniform(0.0, LONGEST_LATENCY))

    async def reach(self, limit: float) -> None:
        """Return when the server has the request. Raises Unreachable."""
        await self.latency()
        if self.state == "refusing":
            raise Unreachable("Refused", f"{self.name} refused the connection")
        if self.state == "silent":
            await self.never(limit)

    @contextmanager
    def hung(self) -> Iterator[None]:
        self.hanging += 1
        try:
            yield
        finally:
            self.hanging -= 1

    async def never(self, limit: float) -> NoReturn:
        with self.hung():
            await asyncio.sleep(limit)
        raise Unreachable("Timeout", f"{self.name} did not answer in time")

    def _draw(self, asked: Asked) -> tuple[str, Target | None, Fault | None]:
        """What is asked for, and the fault that it meets. Raises Refusal, NoSuchPath."""
        if self._handling.about(asked.path) is not None:
            return "get", None, self.faults.draw("get", "")
        target = self._handling.target(asked.path)
        verb = verb_of(asked, target)
        return verb, target, self.faults.draw(verb, target.kind.resource.plural, target.namespace)

    async def answer(self, asked: Asked, by: str, limit: float) -> Reply:
        """The whole answer to a request that process `by` sent, within `limit` seconds. Raises Unreachable."""
        self.received[by] += 1
        await self.reach(limit)
        try:
            verb, target, fault = self._draw(asked)
            await self._before(fault, limit)
            connections = self._connections
            status, body = self._carry_out(verb, target, asked, by)
        except NoSuchPath:
            return Reply(404, b"404 page not found\n")
        except Refusal as refusal:
            return Reply(refusal.code, _encode(refusal.status()), refusal.retry_after)
        await self._after(fault, len(body), limit)
        if connections != self._connections:
            raise _reset(self.name)
        return Reply(status, body)

    def _carry_out(self, verb: str, target: Target | None, asked: Asked, by: str) -> tuple[int, bytes]:
        if target is None:
            about = self._handling.about(asked.path)
            return 200, about.encode() if isinstance(about, str) else _encode(about)
        self.calling(Call(by, asyncio.get_running_loop().time(), verb, target, asked))
        self.by = by
        try:
            status, answer = self._handling.perform(verb, target, asked)
        finally:
            self.by = ""
        return status, _encode(answer)

    async def _before(self, fault: Fault | None, limit: float) -> None:
        match fault:
            case Delay(seconds):
                late = self.faults.spread(seconds)
                if late >= limit:
                    await self.never(limit)
                with self.hung():
                    await asyncio.sleep(late)
            case Refuse(code, reason, retry_after):
                raise Refusal(code, reason, f"{reason} by a fault", retry_after=retry_after)
            case Reset(after=False):
                raise _reset(self.name)

    async def _after(self, fault: Fault | None, size: int, limit: float) -> None:
        await self.latency()
        if self.state == "silent":
            await self.never(limit)
        match fault:
            case Reset(after=True):
                raise _reset(self.name)
            case SlowBody():
                took = fault.pause * (size // fault.size + 1)
                if took >= limit:
                    await self.never(limit)
                with self.hung():
                    await asyncio.sleep(took)
                if fault.cut:
                    raise _reset(self.name)

    # Watches

    async def open(self, asked: Asked, by: str, limit: float) -> "Stream | Reply":
        """Begin a watch. Raises Unreachable."""
        self.received[by] += 1
        await self.reach(limit)
        try:
            _, target, fault = self._draw(asked)
            await self._before(fault, limit)
            if target is None:
                raise NoSuchPath
            if isinstance(fault, Gone) and fault.as_status:
                raise expired()
            watch, pending = self._handling.watch(target, asked.query)
            if isinstance(fault, Repeat) and not pending:
                pending += watch.older(fault.events)
        except NoSuchPath:
            return Reply(404, b"404 page not found\n")
        except Refusal as refusal:
            return Reply(refusal.code, _encode(refusal.status()), refusal.retry_after)
        seconds = min(float(asked.query.get("timeoutSeconds") or MOST_WATCHED), MOST_WATCHED)
        return Stream(self, watch, pending, fault, seconds)

    @property
    def connections(self) -> int:
        return self._connections

    async def behind(self) -> None:
        """Wait as long as watches are behind."""
        await asyncio.sleep(self._random.uniform(0.0, max(LONGEST_LATENCY, self.lag)))

    def serves(self, watch: Watch) -> bool:
        return watch.is_served(self.cluster.kinds)


class Stream:
    """A watch that is open."""

    def __init__(self, server: Server, watch: Watch, pending: list[bytes], fault: Fault | None, seconds: float) -> None:
        self._server = server
        self._watch = watch
        self._pending = pending
        self._fault = fault
        self._strikes = fault.events if isinstance(fault, BreakWatch | EndWatch | HangWatch | Gone) else None
        self._ends = asyncio.get_running_loop().time() + seconds
        self._opened = server.connections

    async def pieces(self, idle: float | None) -> AsyncGenerator[bytes, None]:
        """What comes, until the watch ends. Raises Unreachable, after `idle` silent seconds too."""
        loop = asyncio.get_running_loop()
        torn = isinstance(self._fault, BreakWatch) and self._fault.torn
        while True:
            if self._strikes is not None and len(self._pending) >= self._strikes + torn:
                async for piece in self._strike(self._strikes, idle):
                    yield piece
                return
            if self._pending:
                if self._strikes is not None:
                    self._strikes -= len(self._pending)
                yield b"".join(self._pending)
                self._pending = []
            silent_since = loop.time()
            self._pending = await self._next(silent_since + BOOKMARK_EVERY)
            if self._server.state == "silent":
                await self._hang(silent_since + (idle or MOST_WATCHED) - loop.time())
            if self._opened != self._server.connections:
                raise _reset(self._server.name)
            if not self._pending:
                return

    async def _next(self, bookmark_at: float) -> list[bytes]:
        """The next events, or a bookmark; nothing when the watch is over."""
        loop, watch = asyncio.get_running_loop(), self._watch
        try:
            async with asyncio.timeout_at(min(bookmark_at, self._ends)):
                while self._opened == self._server.connections:
                    await watch.wait_news()
                    await self._server.behind()
                    if (news := list(watch.news())) or not self._server.serves(watch):
                        return news
        except TimeoutError:
            return [watch.bookmark()] if loop.time() < self._ends else []
        except Refusal as refusal:
            return [watch.error(refusal)]
        return []

    async def _strike(self, events: int, idle: float | None) -> AsyncIterator[bytes]:
        sent, rest = self._pending[:events], self._pending[events:]
        match self._fault:
            case Gone():
                sent.append(self._watch.error(expired()))
            case BreakWatch(torn=True):
                sent.append(rest[0][: len(rest[0]) // 2])
        if sent:
            yield b"".join(sent)
        match self._fault:
            case BreakWatch():
                raise _reset(self._server.name)
            case HangWatch():
                await self._hang(idle or MOST_WATCHED)

    async def _hang(self, seconds: float) -> NoReturn:
        """Nothing comes any more, and after `seconds` the reader gives up."""
        with self._server.hung():
            await asyncio.sleep(max(0.0, seconds))
        raise Unreachable("Idle", f"{self._server.name} has been silent")


class Wire:
    """What one process is connected by. Once `cut`, nothing it sends arrives and no answer reaches it."""

    def __init__(self, process: str, servers: dict[str, Server]) -> None:
        self.process = process
        self.cut = False
        self._servers = servers

    def transport(self, config: Config, **options: Any) -> "DirectTransport":
        """The way to the server that `config` names."""
        return DirectTransport(config, wire=self, server=self._servers[config.server], **options)

    def check(self) -> None:
        if self.cut:
            raise Unreachable("Closed", f"{self.process} is no more")


class DirectTransport(Transport):
    """Requests as calls of a `Server`."""

    def __init__(self, config: Config, *, wire: Wire, server: Server, **options: Any) -> None:
        super().__init__(config, **options)
        self._wire = wire
        self._server = server

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """There is nothing to close."""

    async def _exchange(self, request: Request) -> Answer:
        self._wire.check()
        self._count(request)
        reply = await self._server.answer(_asked(request), self._wire.process, request.timeout or self._timeout)
        self._wire.check()
        self._answers[reply.status] += 1
        _raise_refusal(reply)
        return Answer(reply.status, reply.body)

    @asynccontextmanager
    async def stream(self, request: Request, *, idle: float | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
        self._wire.check()
        self._count(request)
        stream = await self._server.open(_asked(request), self._wire.process, self._timeout)
        self._wire.check()
        if isinstance(stream, Reply):
            self._answers[stream.status] += 1
            _raise_refusal(stream)
            raise Unreachable("Protocol", "a watch was answered with an object")
        self._answers[200] += 1
        async with aclosing(stream.pieces(idle)) as pieces:
            yield pieces

    def _count(self, request: Request) -> None:
        self._requests[request.verb] += 1
        self._sent += len(request.body or b"")


def _asked(request: Request) -> Asked:
    kind = request.headers.get("Content-Type", "")
    return Asked(request.method, request.path, request.params, kind, request.body or b"")


def _raise_refusal(reply: Reply) -> None:
    if reply.status >= 400:
        raise api_error(reply.status, reply.body, reply.retry_after)


def _reset(name: str) -> Unreachable:
    return Unreachable("Reset", f"the connection to {name} broke")
