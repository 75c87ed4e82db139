"""The verbs of the Kubernetes API, against one API server."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self

import msgspec

from atoll import __version__
from atoll.api.objects import Json
from atoll.kube.bodies import Body, collection_path, encode, object_path, target, with_metadata
from atoll.kube.connection import Config
from atoll.kube.diagnosis import not_kubernetes
from atoll.kube.discovery import Discovery
from atoll.kube.errors import AlreadyExists, Conflict, Expired, Invalid, NotFound
from atoll.kube.objects import Object, Resource, decode_object
from atoll.kube.resources import PODS
from atoll.kube.transport import Answer, Request, Statistics, Transport
from atoll.kube.watching import Lines, WatchDecoder, WatchEvent

APPLY = "application/apply-patch+yaml"
PATCHES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
LONGEST_LINE = 256 << 10
"""Bytes: a program that shows its progress, or prints no text, may never end a line."""
_NEVER = "1"
"""No object has this resourceVersion: etcd's first write of all makes revision 2."""


class Listing(msgspec.Struct, frozen=True):
    """One page, or all of them. A watch goes on from `resource_version`; `more` continues the listing."""

    items: tuple[Object, ...]
    resource_version: str
    more: str = ""


class _ListMetadata(msgspec.Struct):
    resource_version: str = msgspec.field(default="", name="resourceVersion")
    more: str | None = msgspec.field(default=None, name="continue")


class _List(msgspec.Struct):
    metadata: _ListMetadata
    items: list[msgspec.Raw] | None
    """There in every list, be it empty: without it, an answer is something else, and not a list of nothing."""


_CREATE_ONLY = frozenset({"create"})
_JSON = {"Content-Type": "application/json"}
_decode_list = msgspec.json.Decoder(_List).decode
_decode_any = msgspec.json.Decoder().decode


class Client:
    """Speaks to one API server. Open it with `async with`; it may be shared by any number of tasks.

    Nothing is retried but an idempotent request on a kept connection that the server had closed: callers back off,
    and heed `ApiError.retry_after`. Every method raises KubeError and nothing else of its own accord. `transport` makes
    the way to the server, where that is not the network.
    """

    def __init__(
        self,
        config: Config,
        *,
        user_agent: str = f"atoll/{__version__}",
        connections: int = 32,
        timeout: float = 30.0,
        transport: Callable[..., Transport] = Transport,
    ) -> None:
        self.discovery = Discovery(self)
        self._timeout = timeout
        self._transport = transport(config, user_agent=user_agent, connections=connections, timeout=timeout)

    @property
    def config(self) -> Config:
        return self._transport.config

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.discovery.close()
        await self._transport.__aexit__(kind, error, trace)

    def renew(self, token: str) -> None:
        """Send `token` from the next request on. What is under way, watches too, goes on as it was begun."""
        self._transport.renew(token)

    def statistics(self) -> Statistics:
        """What was sent and received since the client was opened."""
        return self._transport.statistics()

    # Reading

    async def get(self, resource: Resource, name: str, namespace: str = "", *, managed_fields: bool = False) -> Object:
        """One object; `managed_fields` keeps metadata.managedFields in its `raw`."""
        answer = await self._send(Request("get", "GET", object_path(resource, name, namespace)))
        return self._object(answer, resource, managed_fields=managed_fields)

    async def list(
        self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "", limit: int = 500
    ) -> Listing:
        """All objects, read in pages of `limit`; "" is all namespaces.

        When the pages' snapshot is compacted away meanwhile (410), all is read once more, in one page: that ends.
        """
        try:
            pages = [page async for page in self.pages(resource, namespace, labels=labels, fields=fields, limit=limit)]
        except Expired:
            pages = [page async for page in self.pages(resource, namespace, labels=labels, fields=fields, limit=0)]
        items = tuple(item for page in pages for item in page.items)
        return Listing(items, pages[-1].resource_version)

    async def pages(
        self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "", limit: int = 500
    ) -> AsyncGenerator[Listing, None]:
        """The pages of one listing, all of the same resourceVersion. Raises Expired when that is too old to go on."""
        params = _selectors(labels, fields)
        if limit:
            params["limit"] = str(limit)
        while True:
            answer = await self._send(Request("list", "GET", resource.path(namespace), params))
            page = self._listing(answer, resource)
            yield page
            if not page.more:
                return
            params["continue"] = page.more

    def _listing(self, answer: Answer, resource: Resource) -> Listing:
        try:
            page = _decode_list(answer.body)
            items = tuple(decode_object(raw, resource) for raw in page.items or ())
        except msgspec.DecodeError as error:
            raise not_kubernetes(self.config, answer.body) from error
        return Listing(items, page.metadata.resource_version, page.metadata.more or "")

    async def watch(
        self,
        resource: Resource,
        resource_version: str,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        timeout: int = 300,
        idle: float = 180.0,
        opened: Callable[[], None] | None = None,
        known: Callable[[str], bool] | None = None,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Changes after `resource_version`, bookmarks (about one a minute) among them.

        Ends when the server ends it, after `timeout` seconds at most. Raises Expired when the version is too old (list
        again), Unreachable("Idle") after `idle` seconds without even a bookmark, Unreachable("Reset") when it breaks.
        `opened` is called when the server has accepted the watch; an object of a version for which `known` says True is
        passed over. Close it (`contextlib.aclosing`) when you leave
        before its end.
        """
        params = _selectors(labels, fields) | {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(timeout),
        }
        decoder = WatchDecoder(resource, known)
        request = Request("watch", "GET", resource.path(namespace), params)
        async with self._transport.stream(request, idle=idle) as pieces:
            if opened is not None:
                opened()
            async for piece in pieces:
                for event in decoder.feed(piece):
                    yield event
        decoder.close()

    async def logs(
        self,
        pod: str,
        namespace: str,
        *,
        container: str = "",
        follow: bool = False,
        tail: int | None = None,
        previous: bool = False,
        since_seconds: int | None = None,
        timestamps: bool = False,
    ) -> AsyncGenerator[bytes, None]:
        """A container's log, line by line, without the line ends. What has none for `LONGEST_LINE` bytes is cut."""
        options = {
            "container": container,
            "follow": "true" if follow else "",
            "tailLines": "" if tail is None else str(tail),
            "previous": "true" if previous else "",
            "sinceSeconds": "" if since_seconds is None else str(since_seconds),
            "timestamps": "true" if timestamps else "",
        }
        params = {name: value for name, value in options.items() if value}
        request = Request("logs", "GET", f"{object_path(PODS, pod, namespace)}/log", params, headers={"Accept": "*/*"})
        lines = Lines()
        async with self._transport.stream(request, idle=None if follow else self._timeout) as pieces:
            async for piece in pieces:
                for line in lines.feed(piece):
                    yield line
                if lines.waiting > LONGEST_LINE:
                    yield lines.cut()
        if lines.waiting:
            yield lines.rest

    # Writing

    async def create(self, resource: Resource, body: Body, *, dry_run: bool = False, manager: str = "atoll") -> Object:
        """POST. Raises AlreadyExists."""
        _, namespace = target(resource, body)
        params = _writing(dry_run=dry_run, manager=manager)
        request = Request("create", "POST", collection_path(resource, namespace), params, encode(body), _JSON)
        return self._object(await self._send(request), resource)

    async def apply(
        self,
        resource: Resource,
        body: Body,
        *,
        name: str,
        namespace: str = "",
        manager: str,
        force: bool = False,
        dry_run: bool = False,
        subresource: str = "",
        only_create: bool = False,
        resource_version: str = "",
        uid: str = "",
        managed_fields: bool = False,
    ) -> Object:
        """Server-side apply of `body` as `manager`: what it says becomes so, and the manager's.

        Raises FieldConflict without `force` when others own fields that differ. An apply that changes nothing leaves
        the resourceVersion alone. Unknown fields, wrong types and double entries of list maps raise Invalid: apply
        checks them against the schema whatever fieldValidation says, so that parameter is "Ignore", which saves the
        server a second, strict parse (about a fifth of its work).

        Preconditions, which travel in the body's metadata, as Kubernetes has no other way:
        `resource_version` and `uid` raise Conflict when the object is another one; `uid` also when there is none.
        `only_create` raises AlreadyExists when there is one. It sends the resourceVersion "1", which no object has:
        a real API server (1.36, built-in kinds and custom resources, dry run too) ignores it when the object does not
        exist and creates it, and answers 409 when it does, even to an apply that would change nothing or is forced.
        """
        conditions = {
            "resourceVersion": _NEVER if only_create else resource_version,
            "uid": uid,
        }
        data = with_metadata(body, {key: value for key, value in conditions.items() if value})
        params = _writing(dry_run=dry_run, manager=manager) | {"fieldValidation": "Ignore"}
        if force or only_create:  # what exists answers Conflict then, not FieldConflict
            params["force"] = "true"
        path = object_path(resource, name, namespace, subresource)
        request = Request("apply", "PATCH", path, params, data, {"Content-Type": APPLY})
        try:
            answer = await self._send(request, again=not only_create and not resource_version)
        except Invalid as error:
            if uid and any(cause.field == "metadata.uid" for cause in error.causes):
                raise Conflict(409, "Conflict", error.message, error.causes) from error
            raise
        except Conflict as error:
            about_it = resource.plural in error.message and f'"{name}"' in error.message  # not about a quota
            if not (only_create and about_it):
                raise
            message = f"{resource.kind} {name!r} already exists"
            raise AlreadyExists(409, "AlreadyExists", message, error.causes, error.retry_after) from error
        return self._object(answer, resource, managed_fields=managed_fields)

    async def replace(
        self, resource: Resource, body: Body, *, subresource: str = "", dry_run: bool = False, manager: str = "atoll"
    ) -> Object:
        """PUT. Raises Conflict when the body's resourceVersion is not the current one."""
        name, namespace = target(resource, body)
        params = _writing(dry_run=dry_run, manager=manager)
        path = object_path(resource, name, namespace, subresource)
        request = Request("update", "PUT", path, params, encode(body), _JSON)
        return self._object(await self._send(request), resource)

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str,
        patch: Json | Sequence[Json] | bytes,
        *,
        type: Literal["merge", "json", "strategic"] = "merge",  # noqa: A002  the API's own word
        subresource: str = "",
        manager: str = "atoll",
        dry_run: bool = False,
    ) -> Object:
        """PATCH; custom resources take no `strategic`. A precondition: metadata.resourceVersion in a merge patch."""
        params = _writing(dry_run=dry_run, manager=manager)
        headers = {"Content-Type": PATCHES[type]}
        path = object_path(resource, name, namespace, subresource)
        request = Request("patch", "PATCH", path, params, encode(patch), headers)
        return self._object(await self._send(request), resource)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: Literal["Background", "Foreground", "Orphan"] = "Background",
        dry_run: bool = False,
        grace_seconds: int | None = None,
    ) -> Object | None:
        """DELETE. The object when it stays for a while (finalizers, grace), None when it is gone.

        Raises NotFound, and Conflict when `uid` or `resource_version` is not the object's any more.
        """
        options: Json = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if preconditions := {k: v for k, v in (("uid", uid), ("resourceVersion", resource_version)) if v}:
            options["preconditions"] = preconditions
        if dry_run:
            options["dryRun"] = ["All"]
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        request = Request(
            "delete", "DELETE", object_path(resource, name, namespace), body=encode(options), headers=_JSON
        )
        found = self._object(await self._send(request), resource, done=True)
        return None if found.kind == "Status" else found

    # Anything else

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 0.0,
    ) -> Any:
        """One request to `path` (from /), its answer decoded from JSON. For what the verbs above don't cover."""
        answer = await self.exchange(method, path, body=body, params=params, headers=headers, timeout=timeout)
        if not answer.body:
            return None
        try:
            return _decode_any(answer.body)
        except msgspec.DecodeError as error:
            raise not_kubernetes(self.config, answer.body) from error

    async def text(self, path: str, *, timeout: float = 0.0) -> str:
        """GET `path` as text: /healthz, /readyz, /metrics."""
        answer = await self.exchange("GET", path, headers={"Accept": "*/*"}, timeout=timeout)
        return answer.body.decode(errors="replace")

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 0.0,
    ) -> Answer:
        """One request, its answer as bytes."""
        data = None if body is None else encode(body)
        merged = (_JSON if body is not None else {}) | dict(headers or {})
        return await self._send(Request("raw", method, path, params or {}, data, merged, timeout))

    async def _send(self, request: Request, *, again: bool = False) -> Answer:
        try:
            return await self._transport.send(request, again=again)
        except NotFound as error:
            if error.unknown_path:
                self.discovery.doubt()
            raise

    def _object(
        self, answer: Answer, resource: Resource, *, managed_fields: bool = False, done: bool = False
    ) -> Object:
        """What the server has, or made; with `done`, a Status in its place. All that it keeps, which reviews aren't,
        has a UID: what has none is a proxy's, and the write never came there.
        """
        try:
            found = decode_object(answer.body, resource, managed_fields=managed_fields)
        except msgspec.DecodeError as error:
            raise not_kubernetes(self.config, answer.body) from error
        if not found.uid and not (done and found.kind == "Status") and resource.verbs != _CREATE_ONLY:
            raise not_kubernetes(self.config, answer.body)
        return found


def _selectors(labels: str, fields: str) -> dict[str, str]:
    return {name: value for name, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}


def _writing(*, dry_run: bool, manager: str) -> dict[str, str]:
    return {"fieldManager": manager} | ({"dryRun": "All"} if dry_run else {})
