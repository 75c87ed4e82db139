"""Small writes to an object as it was seen: each raises Conflict when somebody wrote it meanwhile."""

from collections.abc import Iterable

import msgspec

from atoll.api.objects import Json
from atoll.kube.client import Client
from atoll.kube.errors import Conflict, Invalid
from atoll.kube.objects import Object, Resource


async def add_finalizer(client: Client, resource: Resource, live: Object, finalizer: str) -> Object:
    """The object, held by `finalizer` too. Raises NotFound."""
    return await _finalize(client, resource, live, [*live.finalizers, finalizer], {})


async def remove_finalizer(
    client: Client, resource: Resource, live: Object, finalizer: str, change: Json | None = None
) -> Object:
    """The object without it, and with `change` (a merge patch) in the same write. Raises NotFound."""
    return await _finalize(client, resource, live, (f for f in live.finalizers if f != finalizer), change or {})


async def _finalize(
    client: Client, resource: Resource, live: Object, finalizers: Iterable[str], change: Json
) -> Object:
    patch = {"metadata": {"finalizers": list(finalizers), "resourceVersion": live.resource_version}, **change}
    return await client.patch(resource, live.name, live.namespace, patch, type="merge")


async def replace_status(client: Client, resource: Resource, live: Object, status: Json | msgspec.Raw) -> Object:
    """The object with this status, which may be JSON already, and no other. Raises NotFound.

    An API server calls a patch whose resourceVersion is not the current one either a conflict or invalid.
    """
    patch: list[Json] = [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live.resource_version},
        {"op": "add", "path": "/status", "value": status},
    ]
    try:
        return await client.patch(resource, live.name, live.namespace, patch, type="json", subresource="status")
    except Invalid as error:
        raise Conflict(409, "Conflict", f"{live.id} was written meanwhile: {error}") from error
