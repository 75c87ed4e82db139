"""One thing that the API server asks the hub at admission: where it is answered, and how the API server is told."""

import base64
from collections.abc import Callable, Iterable
from typing import NamedTuple

from aiohttp import web

from atoll.api.names import FIELD_MANAGER
from atoll.api.objects import Json
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.objects import Resource

Reached = Callable[[str], Json]
"""The clientConfig by which the API server reaches a path of ours."""


class Hook(NamedTuple):
    """`configurations` are objects that hold lists of webhooks, each by its kind."""

    routes: tuple[web.RouteDef, ...]
    configurations: Callable[[Reached], tuple[tuple[Resource, Json], ...]]


def by_url(origin: str, trusted: bytes) -> Reached:
    """`origin` is https://host:port; `trusted` the certificates that may answer there, PEM."""
    return lambda path: {"url": f"{origin}{path}", "caBundle": _base64(trusted)}


def by_service(namespace: str, name: str, trusted: bytes, port: int = 443) -> Reached:
    return lambda path: {
        "service": {"namespace": namespace, "name": name, "path": path, "port": port},
        "caBundle": _base64(trusted),
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def register(client: Client, hooks: Iterable[Hook], reached: Reached) -> None:
    """Tell the API server of all of them: nothing of what was told before stays, whoever told it."""
    for hook in hooks:
        for resource, body in hook.configurations(reached):
            await _put(client, resource, body)


async def _put(client: Client, resource: Resource, body: Json) -> None:
    name = body["metadata"]["name"]
    try:
        await client.patch(resource, name, "", {"webhooks": body["webhooks"]})  # a merge patch replaces a list whole
    except NotFound:  # an apply names what it makes: rights for one name are enough
        await client.apply(resource, body, name=name, manager=FIELD_MANAGER, force=True)


async def is_told(client: Client, hooks: Iterable[Hook], reached: Reached, certificate: bytes) -> bool:
    """Whether the API server knows all of them at their services, and trusts `certificate` there.

    It may trust more: another process may have added a newer one meanwhile.
    """
    for hook in hooks:
        for resource, body in hook.configurations(reached):
            try:
                live = (await client.get(resource, body["metadata"]["name"])).body()
            except NotFound:
                return False
            there = {webhook["name"]: webhook.get("clientConfig") or {} for webhook in live.get("webhooks") or ()}
            if not all(_suits(there.get(w["name"]), w["clientConfig"], certificate) for w in body["webhooks"]):
                return False
    return True


def _suits(there: Json | None, wanted: Json, certificate: bytes) -> bool:
    if there is None:
        return False
    service = there.get("service") or {}
    same = {key: service.get(key) for key in wanted["service"]} == wanted["service"]
    return same and certificate in base64.b64decode(there.get("caBundle") or "")
