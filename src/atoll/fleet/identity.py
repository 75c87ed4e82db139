"""Who a hub is: an id that marks everything it owns on members, and an epoch that counts its lives."""

import asyncio
import secrets
import time

import msgspec

from atoll.api.names import HUB_CONFIGMAP, SYSTEM_NAMESPACE
from atoll.kube.client import Client
from atoll.kube.errors import AlreadyExists, KubeError, NotFound
from atoll.kube.objects import Object
from atoll.kube.resources import CONFIGMAPS, NAMESPACES

TERMINATING_PATIENCE = 30.0


class HubIdentity(msgspec.Struct, frozen=True):
    """`id`: eight hex digits, made once. `epoch`: grows when the hub is restored from a backup.

    So what it does then is newer than what it did before, whatever its sequences say.
    """

    id: str
    epoch: int = 1


class NoHubError(KubeError):
    """There is no Atoll hub on this cluster."""


async def hub_identity(client: Client, *, create: bool = True) -> HubIdentity:
    """The hub's identity, from ConfigMap `atoll-system/hub`.

    With `create` it is made when missing; two that make it at once agree on one. Raises NoHubError when it is missing
    and not to be made, or isn't readable as one: an identity is never guessed, since what belongs to whom hangs on it.
    """
    try:
        return _read(await client.get(CONFIGMAPS, HUB_CONFIGMAP, SYSTEM_NAMESPACE))
    except NotFound as error:
        if not create:
            raise NoHubError(
                f"no Atoll hub here: ConfigMap {SYSTEM_NAMESPACE}/{HUB_CONFIGMAP} does not exist"
            ) from error
    await ensure_namespace(client)
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": HUB_CONFIGMAP, "namespace": SYSTEM_NAMESPACE},
        "data": {"id": secrets.token_hex(4), "epoch": "1"},
    }
    try:
        return _read(await client.create(CONFIGMAPS, body))
    except AlreadyExists:
        return _read(await client.get(CONFIGMAPS, HUB_CONFIGMAP, SYSTEM_NAMESPACE))


async def ensure_namespace(client: Client, *, labels: dict[str, str] | None = None) -> bool:
    """Make `atoll-system` when it is missing; True when this call made it. `labels` go on a new one only.

    One that is being deleted (the cluster has just left) is waited for, `TERMINATING_PATIENCE` seconds at most.
    """
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE, "labels": labels or {}}}
    until = time.monotonic() + TERMINATING_PATIENCE
    while True:
        try:
            if not (await client.get(NAMESPACES, SYSTEM_NAMESPACE)).deleting or time.monotonic() > until:
                return False
        except NotFound:
            try:
                await client.create(NAMESPACES, body)
            except AlreadyExists:
                continue
            return True
        await asyncio.sleep(0.2)


def _read(configmap: Object) -> HubIdentity:
    data = configmap.body().get("data") or {}
    hub, epoch = str(data.get("id", "")), str(data.get("epoch", ""))
    if not hub or not epoch.isdigit():
        raise NoHubError(
            f"ConfigMap {SYSTEM_NAMESPACE}/{HUB_CONFIGMAP} holds no id and epoch; "
            "restore it from a backup: everything delivered is labelled with that id"
        )
    return HubIdentity(hub, int(epoch))
