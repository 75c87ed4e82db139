"""The verbs: what they send, what they refuse to send, and what becomes of the answers."""

import asyncio
import gzip
from contextlib import aclosing

import msgspec
import pytest
from aiohttp import web

from atoll.kube.bodies import Body
from atoll.kube.config import Config
from atoll.kube.errors import (
    AlreadyExists,
    BadRequest,
    Conflict,
    Expired,
    FieldConflict,
    Invalid,
    NotFound,
    TooManyRequests,
    Unreachable,
)
from atoll.kube.resources import CONFIGMAPS, NAMESPACES
from tests.spec.kube.conftest import Connect, Handler, Listen, Serve, answer, configmap, failure

BODY = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "demo"}, "data": {"k": "v"}}
PATH = "/api/v1/namespaces/demo/configmaps"


def always(response: web.Response) -> Handler:
    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=response.body, status=response.status, headers=response.headers)

    return handler


def page(names: list[str], more: str = "", version: str = "90") -> web.Response:
    items = [{"metadata": {"name": name, "namespace": "demo", "resourceVersion": "1"}} for name in names]
    metadata = {"resourceVersion": version} | ({"continue": more} if more else {})
    return answer({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": metadata, "items": items})


async def test_get(serve: Serve, connect: Connect) -> None:
    served = await serve(always(answer(configmap("a", managedFields=[{"manager": "x"}]))))
    client = await connect(served.url)
    found = await client.get(CONFIGMAPS, "a", "demo")
    assert (found.name, found.resource_version) == ("a", "7")
    assert b"managedFields" not in found.raw
    assert b"managedFields" in (await client.get(CONFIGMAPS, "a", "demo", managed_fields=True)).raw
    assert (served.requests[0].method, served.requests[0].path) == ("GET", f"{PATH}/a")
    assert served.requests[0].headers["User-Agent"].startswith("atoll/")


async def test_a_list_is_read_in_pages(serve: Serve, connect: Connect) -> None:
    async def pages(request: web.BaseRequest) -> web.StreamResponse:
        return {"": page(["a", "b"], "t1"), "t1": page(["c"], "t2"), "t2": page(["d"])}[
            request.query.get("continue", "")
        ]

    served = await serve(pages)
    client = await connect(served.url)
    listing = await client.list(CONFIGMAPS, "demo", labels="app in (a,b),!old", fields="metadata.name!=x", limit=2)
    assert [item.name for item in listing.items] == ["a", "b", "c", "d"]
    assert listing.resource_version == "90"
    assert {item.kind for item in listing.items} == {"ConfigMap"}
    assert dict(served.requests[1].query) == {
        "labelSelector": "app in (a,b),!old",
        "fieldSelector": "metadata.name!=x",
        "limit": "2",
        "continue": "t1",
    }


async def test_a_list_that_expires_between_pages_is_read_once_more_in_one(serve: Serve, connect: Connect) -> None:
    async def compacted(request: web.BaseRequest) -> web.StreamResponse:
        if "continue" in request.query:
            return failure(410, "Expired", "the provided continue parameter is too old")
        return page(["a"], "t1") if "limit" in request.query else page(["a", "b", "c"], version="95")

    served = await serve(compacted)
    listing = await (await connect(served.url)).list(CONFIGMAPS, "demo")
    assert [item.name for item in listing.items] == ["a", "b", "c"]
    assert listing.resource_version == "95"
    assert len(served.requests) == 3


async def test_a_list_that_expires_for_ever_ends(serve: Serve, connect: Connect) -> None:
    served = await serve(always(failure(410, "Expired")))
    with pytest.raises(Expired):
        await (await connect(served.url)).list(CONFIGMAPS)
    assert len(served.requests) == 2


async def test_an_empty_list(serve: Serve, connect: Connect) -> None:
    """Go writes null for a list that it never made."""
    served = await serve(always(answer({"metadata": {"resourceVersion": "5"}, "items": None})))
    assert (await (await connect(served.url)).list(CONFIGMAPS)).items == ()


async def test_compressed_answers(serve: Serve, connect: Connect) -> None:
    body = gzip.compress(msgspec.json.encode(configmap("a")))
    served = await serve(always(answer(body, headers={"Content-Encoding": "gzip"})))
    assert (await (await connect(served.url)).get(CONFIGMAPS, "a", "demo")).name == "a"
    assert served.requests[0].headers["Accept-Encoding"] == "gzip"


async def test_apply(serve: Serve, connect: Connect) -> None:
    served = await serve(always(answer(configmap("a"))))
    client = await connect(served.url)
    await client.apply(CONFIGMAPS, BODY, name="a", namespace="demo", manager="atoll")
    sent = served.requests[0]
    assert (sent.method, sent.path) == ("PATCH", f"{PATH}/a")
    assert sent.headers["Content-Type"] == "application/apply-patch+yaml"
    assert dict(sent.query) == {"fieldManager": "atoll", "fieldValidation": "Ignore"}
    assert msgspec.json.decode(served.bodies[0]) == BODY
    raw = msgspec.json.encode(BODY)
    await client.apply(
        *(CONFIGMAPS, raw), name="a", namespace="demo", manager="m", force=True, dry_run=True, subresource="status"
    )
    assert served.requests[1].path == f"{PATH}/a/status"
    assert {"fieldManager": "m", "force": "true", "dryRun": "All"}.items() <= served.requests[1].query.items()
    assert served.bodies[1] == raw


@pytest.mark.parametrize("body", [BODY, msgspec.json.encode(BODY)])
async def test_an_applys_preconditions_travel_in_its_body(serve: Serve, connect: Connect, body: Body) -> None:
    served = await serve(always(failure(409, "Conflict", "the object has been modified")))
    client = await connect(served.url)
    with pytest.raises(Conflict):
        await client.apply(CONFIGMAPS, body, name="a", namespace="demo", manager="m", resource_version="12", uid="u-1")
    sent = msgspec.json.decode(served.bodies[0])
    assert sent == BODY | {"metadata": {"name": "a", "namespace": "demo", "resourceVersion": "12", "uid": "u-1"}}
    assert BODY["metadata"] == {"name": "a", "namespace": "demo"}


async def test_another_uid_is_a_conflict(serve: Serve, connect: Connect) -> None:
    """The server calls it an immutable field."""
    causes = [{"reason": "FieldValueInvalid", "message": "field is immutable", "field": "metadata.uid"}]
    served = await serve(always(failure(422, "Invalid", causes=causes)))
    client = await connect(served.url)
    with pytest.raises(Conflict):
        await client.apply(CONFIGMAPS, BODY, name="a", namespace="demo", manager="m", uid="u-1")
    with pytest.raises(Invalid):
        await client.apply(CONFIGMAPS, BODY, name="a", namespace="demo", manager="m")


async def test_an_apply_may_create_only(serve: Serve, connect: Connect) -> None:
    message = 'Operation cannot be fulfilled on configmaps "a": the object has been modified'
    served = await serve(always(failure(409, "Conflict", message)))
    client = await connect(served.url)
    with pytest.raises(AlreadyExists, match="ConfigMap 'a' already exists"):
        await client.apply(CONFIGMAPS, BODY, name="a", namespace="demo", manager="m", only_create=True)
    assert msgspec.json.decode(served.bodies[0])["metadata"]["resourceVersion"] == "1"
    assert served.requests[0].query["force"] == "true"


async def test_a_conflict_about_something_else_does_not_mean_that_it_exists(serve: Serve, connect: Connect) -> None:
    """Creates that meet in a quota."""
    message = 'Operation cannot be fulfilled on resourcequotas "compute": the object has been modified'
    client = await connect((await serve(always(failure(409, "Conflict", message)))).url)
    with pytest.raises(Conflict):
        await client.apply(CONFIGMAPS, BODY, name="a", namespace="demo", manager="m", only_create=True)


async def test_a_field_conflict_stays_one(serve: Serve, connect: Connect) -> None:
    causes = [{"reason": "FieldManagerConflict", "message": 'conflict with "kubectl"', "field": ".data.k"}]
    served = await serve(always(failure(409, "Conflict", causes=causes)))
    client = await connect(served.url)
    with pytest.raises(FieldConflict) as caught:
        await client.apply(CONFIGMAPS, BODY, name="a", namespace="demo", manager="m")
    assert caught.value.managers == ("kubectl",)


async def test_the_other_ways_to_write(serve: Serve, connect: Connect) -> None:
    served = await serve(always(answer(configmap("a"))))
    client = await connect(served.url)
    await client.create(CONFIGMAPS, BODY)
    await client.replace(CONFIGMAPS, BODY, subresource="status", dry_run=True)
    await client.patch(CONFIGMAPS, "a", "demo", {"data": {"k": None}})
    await client.patch(CONFIGMAPS, "a", "demo", [{"op": "remove", "path": "/data"}], type="json")
    await client.patch(CONFIGMAPS, "a", "demo", b"{}", type="strategic")
    assert [(sent.method, sent.path, sent.headers["Content-Type"]) for sent in served.requests] == [
        ("POST", PATH, "application/json"),
        ("PUT", f"{PATH}/a/status", "application/json"),
        ("PATCH", f"{PATH}/a", "application/merge-patch+json"),
        ("PATCH", f"{PATH}/a", "application/json-patch+json"),
        ("PATCH", f"{PATH}/a", "application/strategic-merge-patch+json"),
    ]
    assert served.requests[1].query["dryRun"] == "All"


async def test_a_delete_carries_its_preconditions(serve: Serve, connect: Connect) -> None:
    async def deleted(request: web.BaseRequest) -> web.StreamResponse:
        if request.path.endswith("/slow"):
            return answer(configmap("slow", deletionTimestamp="2026-11-23T13:33:10Z"))
        return answer({"kind": "Status", "apiVersion": "v1", "status": "Success"})

    served = await serve(deleted)
    client = await connect(served.url)
    assert await client.delete(CONFIGMAPS, "a", "demo", uid="u-1", resource_version="12", propagation="Orphan") is None
    assert msgspec.json.decode(served.bodies[0]) == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Orphan",
        "preconditions": {"uid": "u-1", "resourceVersion": "12"},
    }
    stays = await client.delete(CONFIGMAPS, "slow", "demo", grace_seconds=0, dry_run=True)
    assert stays is not None
    assert stays.deleting
    assert {"gracePeriodSeconds": 0, "dryRun": ["All"]}.items() <= msgspec.json.decode(served.bodies[1]).items()


@pytest.mark.parametrize(("name", "namespace"), [("", "demo"), ("a", ""), ("..", "demo"), ("a/b", "demo"), ("a", "..")])
async def test_an_incomplete_name_never_becomes_another_request(
    serve: Serve, connect: Connect, name: str, namespace: str
) -> None:
    """A DELETE without a name would delete the collection."""
    served = await serve(always(answer({})))
    client = await connect(served.url)
    body = {"metadata": {"name": name, "namespace": namespace}}
    for request in (
        client.get(CONFIGMAPS, name, namespace),
        client.delete(CONFIGMAPS, name, namespace),
        client.patch(CONFIGMAPS, name, namespace, {}),
        client.replace(CONFIGMAPS, body),
        client.apply(CONFIGMAPS, body, name=name, namespace=namespace, manager="m"),
    ):
        with pytest.raises(BadRequest):
            await request
    with pytest.raises(BadRequest):
        await client.create(CONFIGMAPS, {"metadata": {"name": "a"}})
    with pytest.raises(BadRequest):
        await client.delete(NAMESPACES, "")
    assert served.requests == []


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"metadata": {"name": 3}}', {"metadata": "x"}, {"metadata": [3]}])
async def test_a_body_without_usable_metadata(serve: Serve, connect: Connect, body: Body) -> None:
    served = await serve(always(answer({})))
    client = await connect(served.url)
    for request in (client.replace(CONFIGMAPS, body), client.create(CONFIGMAPS, body)):
        with pytest.raises(BadRequest):
            await request
    assert served.requests == []


@pytest.mark.parametrize("body", [b"[]", b"{", {"metadata": "x"}, BODY | {"data": object()}, BODY | {"data": "\ud800"}])
async def test_a_body_that_cannot_take_a_precondition(serve: Serve, connect: Connect, body: Body) -> None:
    client = await connect((await serve(always(answer({})))).url)
    with pytest.raises(BadRequest):
        await client.apply(CONFIGMAPS, body, name="a", namespace="demo", manager="m", only_create=True)


async def test_too_many_requests_are_not_repeated(serve: Serve, connect: Connect) -> None:
    """Callers back off, each in its own way; the client tells them for how long."""
    served = await serve(always(answer({"kind": "Status", "reason": "TooManyRequests"}, 429, {"Retry-After": "3"})))
    client = await connect(served.url)
    with pytest.raises(TooManyRequests) as caught:
        await client.get(CONFIGMAPS, "a", "demo")
    assert caught.value.retry_after == 3
    assert len(served.requests) == 1


async def test_a_kept_connection_that_died_costs_an_apply_nothing(connect: Connect, listen: Listen) -> None:
    """The server closed it just as we sent. To apply again is safe; a merge patch or create is left to the caller."""
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = msgspec.json.encode(configmap("a"))
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append(head.split(b" ")[0])
        if len(seen) in {2, 4}:
            writer.close()
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))

    port = await listen(talk)
    client = await connect(f"http://127.0.0.1:{port}")
    await client.get(CONFIGMAPS, "a", "demo")
    await client.apply(CONFIGMAPS, BODY, name="a", namespace="demo", manager="m")
    assert seen == [b"GET", b"PATCH", b"PATCH"]
    with pytest.raises(Unreachable) as caught:
        await client.patch(CONFIGMAPS, "a", "demo", {})
    assert caught.value.reason == "Reset"
    assert len(seen) == 4


async def stream(request: web.BaseRequest, *pieces: bytes, hold: float = 0.0, cut: bool = False) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for piece in pieces:
        await response.write(piece)
    await asyncio.sleep(hold)
    if cut and request.transport is not None:
        request.transport.abort()
    return response


def event(kind: str, body: object) -> bytes:
    return msgspec.json.encode({"type": kind, "object": body}) + b"\n"


async def test_watch(serve: Serve, connect: Connect) -> None:
    async def watched(request: web.BaseRequest) -> web.StreamResponse:
        return await stream(request, event("ADDED", configmap("a")), event("DELETED", configmap("a", "8")))

    served = await serve(watched)
    client = await connect(served.url)
    events = [event async for event in client.watch(CONFIGMAPS, "5", "demo", labels="x=y", timeout=60)]
    assert [(event.type, event.object.resource_version) for event in events] == [("ADDED", "7"), ("DELETED", "8")]
    assert dict(served.requests[0].query) == {
        "watch": "1",
        "allowWatchBookmarks": "true",
        "resourceVersion": "5",
        "timeoutSeconds": "60",
        "labelSelector": "x=y",
    }


async def test_a_watch_from_too_old_a_version(serve: Serve, connect: Connect) -> None:
    served = await serve(always(failure(410, "Expired")))
    client = await connect(served.url)
    with pytest.raises(Expired):
        await anext(client.watch(CONFIGMAPS, "1"))


async def test_a_silent_watch_is_idle(serve: Serve, connect: Connect) -> None:
    async def silent(request: web.BaseRequest) -> web.StreamResponse:
        return await stream(request, event("ADDED", configmap("a")), hold=5)

    served = await serve(silent)
    client = await connect(served.url)
    watch = client.watch(CONFIGMAPS, "1", idle=0.5)
    assert (await anext(watch)).type == "ADDED"
    with pytest.raises(Unreachable, match=r"silent for 0\.5 s") as caught:
        await anext(watch)
    assert caught.value.reason == "Idle"


async def test_a_watch_that_is_cut_off(serve: Serve, connect: Connect) -> None:
    async def cut(request: web.BaseRequest) -> web.StreamResponse:
        return await stream(request, event("ADDED", configmap("a")), hold=0.05, cut=True)

    served = await serve(cut)
    client = await connect(served.url)
    with pytest.raises(Unreachable) as caught:
        [each async for each in client.watch(CONFIGMAPS, "1")]
    assert caught.value.reason == "Reset"


async def test_watches_leave_the_pool_to_others(serve: Serve, connect: Connect) -> None:
    async def mixed(request: web.BaseRequest) -> web.StreamResponse:
        if "watch" in request.query:
            return await stream(request, event("ADDED", configmap("a")), hold=20)
        return answer(configmap("a"))

    served = await serve(mixed)
    client = await connect(served.url, connections=2)
    watches = [client.watch(CONFIGMAPS, "1") for _ in range(8)]
    for watch in watches:
        await anext(watch)
    async with asyncio.timeout(8):
        await asyncio.gather(*(client.get(CONFIGMAPS, "a", "demo") for _ in range(10)))
    for watch in watches:
        await watch.aclose()


async def test_the_pool_bounds_what_runs_at_once(serve: Serve, connect: Connect) -> None:
    running = most = 0

    async def slow(_: web.BaseRequest) -> web.StreamResponse:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return answer(configmap("a"))

    served = await serve(slow)
    client = await connect(served.url, connections=3)
    tasks = [asyncio.create_task(client.get(CONFIGMAPS, "a", "demo")) for _ in range(12)]
    await asyncio.sleep(0.01)
    tasks[-1].cancel()
    await asyncio.gather(*tasks[:-1])
    assert most == 3
    leaving = [asyncio.create_task(client.get(CONFIGMAPS, "a", "demo")) for _ in range(3)]
    await asyncio.sleep(0.01)
    for task in leaving:
        task.cancel()
    await client.get(CONFIGMAPS, "a", "demo")  # their places are free
    assert client.statistics().waiting == 0


async def test_logs(serve: Serve, connect: Connect) -> None:
    async def written(request: web.BaseRequest) -> web.StreamResponse:
        return await stream(request, b"one\ntw", b"o\n\nlast")

    served = await serve(written)
    client = await connect(served.url)
    logs = client.logs("web", "demo", container="c", follow=True, tail=5, since_seconds=60, timestamps=True)
    async with aclosing(logs):
        assert [line async for line in logs] == [b"one", b"two", b"", b"last"]
    assert served.requests[0].path == "/api/v1/namespaces/demo/pods/web/log"
    assert dict(served.requests[0].query) == {
        "container": "c",
        "follow": "true",
        "tailLines": "5",
        "sinceSeconds": "60",
        "timestamps": "true",
    }


async def test_a_log_without_line_ends_is_cut(serve: Serve, connect: Connect) -> None:
    """A program's progress bar may never end a line; whoever follows it would keep all that it ever printed."""

    async def written(request: web.BaseRequest) -> web.StreamResponse:
        return await stream(request, b"x" * (4 << 20), b"y\nend")

    logs = (await connect((await serve(written)).url)).logs("web", "demo", follow=True)
    async with aclosing(logs):
        found = [line async for line in logs]
    assert b"".join(found) == b"x" * (4 << 20) + b"yend"
    assert found[-1] == b"end"
    assert max(map(len, found)) < 1 << 20


async def test_anything_else(serve: Serve, connect: Connect) -> None:
    async def other(request: web.BaseRequest) -> web.StreamResponse:
        return answer(b"ok") if request.path == "/readyz" else answer({"got": request.method})

    served = await serve(other)
    client = await connect(served.url)
    assert await client.text("/readyz") == "ok"
    assert await client.request("POST", "/x", body={"a": 1}, params={"p": "a b&c"}) == {"got": "POST"}
    assert (served.bodies[1], served.requests[1].query["p"]) == (b'{"a":1}', "a b&c")


async def test_statistics(serve: Serve, connect: Connect) -> None:
    async def mixed(request: web.BaseRequest) -> web.StreamResponse:
        return failure(404, "NotFound") if request.path.endswith("/b") else answer(configmap("a"))

    served = await serve(mixed)
    client = await connect(served.url)
    await client.get(CONFIGMAPS, "a", "demo")
    with pytest.raises(NotFound):
        await client.get(CONFIGMAPS, "b", "demo")
    await client.apply(CONFIGMAPS, BODY, name="a", namespace="demo", manager="m")
    counted = client.statistics()
    assert counted.requests == {"get": 2, "apply": 1}
    assert counted.answers == {200: 2, 404: 1}
    assert counted.sent == len(msgspec.json.encode(BODY))
    assert counted.received > 0


async def test_a_renewed_token_is_sent_from_the_next_request_on(serve: Serve, connect: Connect) -> None:
    served = await serve(always(answer(configmap("a"))))
    client = await connect(Config(server=served.url, token="old"))
    await client.get(CONFIGMAPS, "a", "demo")
    client.renew("new")
    await client.get(CONFIGMAPS, "a", "demo")
    assert [r.headers["Authorization"] for r in served.requests] == ["Bearer old", "Bearer new"]
    assert client.config.token == "new"
