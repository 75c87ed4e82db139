"""What a path and a method mean, and what is answered: an API server's requests, without HTTP and without faults."""

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from atoll.api.objects import Json
from atoll.testing.fakeapi.cluster import FakeCluster
from atoll.testing.fakeapi.kinds import Kind, discovery
from atoll.testing.fakeapi.refusals import Refusal, bad_request
from atoll.testing.fakeapi.selecting import selector
from atoll.testing.fakeapi.store import too_large
from atoll.testing.fakeapi.watches import Watch, shown

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
VERSION = {"major": "1", "minor": "36", "gitVersion": "v1.36.1-fake"}
PLAIN = {"/healthz": "ok", "/readyz": "ok", "/livez": "ok"}


class NoSuchPath(Exception):  # noqa: N818  what the server's multiplexer says, which knows no Status
    """A path that leads to no group and version."""


class Asked(NamedTuple):
    """One request: `kind_of_body` is its content type."""

    method: str
    path: str
    query: Mapping[str, str]
    kind_of_body: str = ""
    body: bytes = b""


class Target(NamedTuple):
    """What a path leads to."""

    kind: Kind
    namespace: str
    name: str
    subresource: str


class Handling:
    """The requests of one cluster."""

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster

    def about(self, path: str) -> Json | str | None:
        """What the server says of itself at `path`: JSON or text; None where objects are."""
        if path in PLAIN:
            return PLAIN[path]
        if path == "/version":
            return VERSION
        if path in {"/api", "/apis"}:
            return discovery(self._cluster.kinds, core=path == "/api")
        return None

    def target(self, path: str) -> Target:
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
        kind = self._cluster.kinds.find(group, version, rest[0])
        if kind is None and not self._cluster.kinds.serves(group, version):
            raise NoSuchPath
        name, subresource = (*rest[1:], "", "")[:2]
        is_misplaced = kind is not None and (
            bool(namespace) > kind.resource.namespaced or (kind.resource.namespaced and name and not namespace)
        )
        if kind is None or is_misplaced or (subresource and (subresource != "status" or not kind.status)):
            raise _nowhere()
        return Target(kind, namespace, name, subresource)

    def perform(self, verb: str, target: Target, asked: Asked) -> tuple[int, Json]:
        """Do what is asked, at one instant: the answer's status and body. Raises Refusal."""
        kind, namespace, name, subresource = target
        query = asked.query
        body = _decode_body(asked.body)
        how: dict[str, Any] = {
            "manager": query.get("fieldManager") or "unknown",
            "dry_run": query.get("dryRun") == "All",
        }
        code = 200
        match verb:
            case "get":
                answer = self._cluster.get(kind, namespace, name)
            case "list":
                return code, self._list(target, query)
            case "create":
                code, answer = 201, self._cluster.create(kind, namespace, body, **how)
            case "update":
                answer = self._cluster.update(kind, namespace, name, body, subresource=subresource, **how)
            case "apply":
                code = 200 if self._cluster.store.get(kind.group_kind, (namespace, name)) else 201
                force = query.get("force") == "true"
                answer = self._cluster.apply(kind, namespace, name, body, subresource=subresource, force=force, **how)
            case "patch":
                answer = self._cluster.patch(kind, namespace, name, body, subresource=subresource, **how)
            case "delete":
                return code, self._delete(target, body or {}, dry_run=how["dry_run"])
            case _:
                return code, self._delete_all(target, query, body or {})
        return code, shown(kind, answer)

    def _list(self, target: Target, query: Any) -> Json:
        kind, store = target.kind, self._cluster.store
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
        left = self._cluster.delete(
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
        objects = self._cluster.store.all(target.kind.group_kind)
        for (namespace, name), body in sorted(objects.items()):
            if (not target.namespace or namespace == target.namespace) and match(body):
                self._delete(Target(target.kind, namespace, name, ""), options)
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}

    def watch(self, target: Target, query: Mapping[str, str]) -> tuple[Watch, list[bytes]]:
        """A watch, and what it begins with. Raises Refusal."""
        match = selector(query.get("labelSelector", ""), query.get("fieldSelector", ""))
        version = query.get("resourceVersion", "")
        watch = Watch(self._cluster.store, target.kind, target.namespace, match, _number(version or "0"))
        pending: list[bytes] = []
        if version in {"", "0"} or query.get("sendInitialEvents") == "true":
            pending += watch.initial()
            if query.get("sendInitialEvents") == "true":
                pending.append(watch.bookmark(initial_end=True))
        return watch, pending


def verb_of(asked: Asked, target: Target) -> str:
    """What the method means there. Raises Refusal."""
    match asked.method:
        case "GET" if asked.query.get("watch") in {"1", "true"}:
            return "watch"
        case "GET":
            return "get" if target.name else "list"
        case "POST" if not target.name:
            return "create"
        case "PUT" if target.name:
            return "update"
        case "PATCH" if target.name:
            kind = asked.kind_of_body
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
