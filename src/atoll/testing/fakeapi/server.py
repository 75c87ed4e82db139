"""The HTTP of an API server, over a FakeCluster: plain, on the loopback interface, on a free port."""

import asyncio
import base64
import contextlib
import time
from types import TracebackType
from typing import Any, NamedTuple, Self

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
from atoll.testing.fakeapi.kinds import Kind, discovery
from atoll.testing.fakeapi.refusals import Refusal, bad_request, expired
from atoll.testing.fakeapi.selecting import selector
from atoll.testing.fakeapi.store import too_large
from atoll.testing.fakeapi.watches import Watch, shown

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
VERSION = {"major": "1", "minor": "36", "gitVersion": "v1.36.1-fake"}
PLAIN = {"/healthz": "ok", "/readyz": "ok", "/livez": "ok"}
LONGEST_WATCH = 3600.0


class NoSuchPath(Exception):  # noqa: N818  what the server's multiplexer says, which knows no Status
    """A path that leads to no group and version."""


class Target(NamedTuple):
    """What a path leads to."""

    kind: Kind
    namespace: str
    name: str
    subresource: str


class FakeApi:
    """`async with FakeApi(cluster) as api`: `api.config` is how to reach it.

    `bookmark_every` is in seconds. `requests` counts by verb. `faults` may be changed at any time.
    """

    def __init__(
        self, cluster: FakeCluster | None = None, faults: Faults | None = None, *, bookmark_every: float = 60.0
    ) -> None:
        self.cluster = cluster or FakeCluster()
        self.faults = faults or Faults()
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
        path = request.path
        if path in PLAIN:
            return web.Response(text=PLAIN[path])
        if path == "/version":
            return _json(VERSION)
        if path in {"/api", "/apis"}:
            return _json(discovery(self.cluster.kinds, core=path == "/api"))
        target = self._target(path)
        verb = _verb(request, target)
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
        code, answer = self._perform(verb, target, request, await request.read())
        match fault:
            case Reset(after=True):
                return _reset(request)
            case SlowBody():
                return await _slowly(request, code, _encode(answer), fault)
        return _json(answer, code)

    def _target(self, path: str) -> Target:
        parts = path.strip("/").split("/")
        if parts[0] == "api" and len(parts) >= 3:
            group, version, rest = "", parts[1], parts[2:]
        elif parts[0] == "apis" and len(parts) >= 4:
            group, version, rest = parts[1], parts[2], parts[3:]
        else:
            raise NoSuchPath
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in {"status", "finalize"}:
            namespace, rest = rest[1], rest[2:]
        if not any((k.resource.group, k.resource.version) == (group, version) for k in self.cluster.kinds.all()):
            raise NoSuchPath
        kind = self.cluster.kinds.find(group, version, rest[0])
        name, subresource = (*rest[1:], "", "")[:2]
        is_misplaced = kind is not None and (
            bool(namespace) > kind.resource.namespaced or (kind.resource.namespaced and name and not namespace)
        )
        if kind is None or is_misplaced or (subresource and (subresource != "status" or not kind.status)):
            raise _nowhere()
        return Target(kind, namespace, name, subresource)

    def _perform(self, verb: str, target: Target, request: web.Request, data: bytes) -> tuple[int, Json]:
        """Do what is asked, at one instant."""
        kind, namespace, name, subresource = target
        query = request.query
        body = _decode_body(data)
        how: dict[str, Any] = {
            "manager": query.get("fieldManager") or "unknown",
            "dry_run": query.get("dryRun") == "All",
        }
        code = 200
        match verb:
            case "get":
                answer = self.cluster.get(kind, namespace, name)
            case "list":
                return code, self._list(target, query)
            case "create":
                code, answer = 201, self.cluster.create(kind, namespace, body, **how)
            case "update":
                answer = self.cluster.update(kind, namespace, name, body, subresource=subresource, **how)
            case "apply":
                code = 200 if self.cluster.store.get(kind.group_kind, (namespace, name)) else 201
                force = query.get("force") == "true"
                answer = self.cluster.apply(kind, namespace, name, body, subresource=subresource, force=force, **how)
            case "patch":
                answer = self.cluster.patch(kind, namespace, name, body, subresource=subresource, **how)
            case "delete":
                return code, self._delete(target, body or {}, dry_run=how["dry_run"])
            case _:
                return code, self._delete_all(target, query, body or {})
        return code, shown(kind, answer)

    def _list(self, target: Target, query: Any) -> Json:
        kind, store = target.kind, self.cluster.store
        match = selector(query.get("labelSelector", ""), query.get("fieldSelector", ""))
        revision, after = store.revision, ("", "")
        if token := query.get("continue"):
            revision, after = _read_token(token)
        elif (version := query.get("resourceVersion", "")) not in {"", "0"}:
            wanted = _number(version)
            if wanted > store.revision:
                raise too_large(wanted, store.revision)
            revision = wanted if query.get("resourceVersionMatch") == "Exact" else revision
        found = [
            (name, body)
            for name, body in sorted(store.at(kind.group_kind, revision).items())
            if name > after and (not target.namespace or name[0] == target.namespace) and match(body)
        ]
        limit = _number(query.get("limit") or "0")
        page = found[:limit] if limit else found
        metadata: Json = {"resourceVersion": str(revision)}
        if len(page) < len(found):
            metadata["continue"] = _write_token(revision, page[-1][0])
            metadata["remainingItemCount"] = len(found) - len(page)
        resource = kind.resource
        items = [shown(kind, body) for _, body in page]
        if "." not in resource.group:  # built-in lists don't repeat the kind in each item
            items = [{k: v for k, v in item.items() if k not in {"kind", "apiVersion"}} for item in items]
        return {
            "kind": f"{resource.kind}List",
            "apiVersion": resource.api_version,
            "metadata": metadata,
            "items": items,
        }

    def _delete(self, target: Target, options: Json, *, dry_run: bool = False) -> Json:
        kind, namespace, name, _ = target
        left = self.cluster.delete(
            kind,
            namespace,
            name,
            preconditions=options.get("preconditions"),
            grace=options.get("gracePeriodSeconds"),
            dry_run=dry_run or bool(options.get("dryRun")),
        )
        if left is not None:
            return shown(kind, left)
        details = {"name": name, "group": kind.resource.group, "kind": kind.resource.plural}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def _delete_all(self, target: Target, query: Any, options: Json) -> Json:
        match = selector(query.get("labelSelector", ""), query.get("fieldSelector", ""))
        objects = self.cluster.store.all(target.kind.group_kind)
        for (namespace, name), body in sorted(objects.items()):
            if (not target.namespace or namespace == target.namespace) and match(body):
                self._delete(Target(target.kind, namespace, name, ""), options)
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}

    # Watches

    async def _watch(self, request: web.Request, target: Target, fault: Fault | None) -> web.StreamResponse:
        query = request.query
        match = selector(query.get("labelSelector", ""), query.get("fieldSelector", ""))
        if isinstance(fault, Gone) and fault.as_status:
            raise expired()
        version = query.get("resourceVersion", "")
        watch = Watch(self.cluster.store, target.kind, target.namespace, match, _number(version or "0"))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        pending: list[bytes] = []
        if version in {"", "0"} or query.get("sendInitialEvents") == "true":
            pending += watch.initial()
            if query.get("sendInitialEvents") == "true":
                pending.append(watch.bookmark(initial_end=True))
        elif isinstance(fault, Repeat):
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
                    await self.cluster.store.wait_news(watch.revision)
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


def _verb(request: web.Request, target: Target) -> str:
    match request.method:
        case "GET" if request.query.get("watch") in {"1", "true"}:
            return "watch"
        case "GET":
            return "get" if target.name else "list"
        case "POST" if not target.name:
            return "create"
        case "PUT" if target.name:
            return "update"
        case "PATCH" if target.name:
            kind = request.content_type
            if kind.startswith("application/apply-patch"):
                return "apply"
            if kind in {"application/merge-patch+json", "application/json-patch+json"}:
                return "patch"
            raise Refusal(415, "UnsupportedMediaType", f"the body of the request was in an unknown format: {kind}")
        case "DELETE":
            return "delete" if target.name else "deletecollection"
    raise Refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def _nowhere() -> Refusal:
    return Refusal(404, "NotFound", "the server could not find the requested resource")


def _decode_body(data: bytes) -> Any:
    try:
        return _decode(data) if data else None
    except msgspec.DecodeError as error:
        raise bad_request(f"the body is not JSON: {error}") from error


def _number(text: str) -> int:
    if not text.isdecimal():
        raise bad_request(f'Invalid value: "{text}": not a number')
    return int(text)


def _write_token(revision: int, last: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(_encode([revision, *last])).decode()


def _read_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        revision, namespace, name = _decode(base64.urlsafe_b64decode(token))
    except ValueError as error:
        raise bad_request("continue key is not valid") from error
    return int(revision), (namespace, name)


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
