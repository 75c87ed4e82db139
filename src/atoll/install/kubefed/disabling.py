"""`disable`: a type's objects are propagated no longer."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from atoll.api.kubefed.names import Controller, Switch
from atoll.api.kubefed.typeconfig import ApiResource, FederatedTypeConfig
from atoll.api.objects import Key
from atoll.install.kinds import InstallError
from atoll.install.kubefed.voice import Voice
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.kubefed_resources import FEDERATEDTYPECONFIGS, resource_of
from atoll.kube.resources import CRDS

STOPPED_IN = 10.0
LOOK_EVERY = 0.1


async def disable(
    client: Client,
    key: Key,
    voice: Voice,
    *,
    delete_crd: bool = False,
    dry_run: bool = False,
    otherwise: Callable[[], Awaitable[FederatedTypeConfig]],
) -> None:
    """Stop the propagation of the type that FederatedTypeConfig `key` is about, and remove the configuration.

    With `delete_crd` the federated type goes as well; it must have no objects. `otherwise` says which type that would
    be when there is no FederatedTypeConfig any more. Raises InstallError.
    """
    try:
        config = (await client.get(FEDERATEDTYPECONFIGS, key.name, key.namespace)).read(FederatedTypeConfig)
    except NotFound:
        config = None
        voice.result(f'FederatedTypeConfig "{key}" does not exist')
    if dry_run:
        return
    if config is not None:
        if delete_crd:
            await _check_unused(client, config)
        if config.enabled:
            await client.patch(
                FEDERATEDTYPECONFIGS, key.name, key.namespace, {"spec": {"propagation": Switch.DISABLED.value}}
            )
            voice.result(f'Disabled propagation for FederatedTypeConfig "{key}"')
        await _until_stopped(client, key, voice)
    if delete_crd:
        known = config if config is not None else await otherwise()
        await _check_unused(client, known)
        await _delete_crd(client, known.spec.federated_type.qualified, voice)
    if config is not None:
        await client.delete(FEDERATEDTYPECONFIGS, key.name, key.namespace)
        voice.result(f'federatedtypeconfig "{key}" deleted')


async def _until_stopped(client: Client, key: Key, voice: Voice) -> None:
    voice.result(f'Verifying propagation controller is stopped for FederatedTypeConfig "{key}"')
    give_up_at = time.monotonic() + STOPPED_IN
    while True:
        live = (await client.get(FEDERATEDTYPECONFIGS, key.name, key.namespace)).read(FederatedTypeConfig)
        if live.status is not None and live.status.propagation_controller == Controller.NOT_RUNNING:
            break
        if time.monotonic() > give_up_at:
            raise InstallError(
                f'the propagation controller of FederatedTypeConfig "{key}" has not stopped after {STOPPED_IN:.0f} s',
                "does the control plane run?",
            )
        await asyncio.sleep(LOOK_EVERY)
    voice.result(f'Propagation controller for FederatedTypeConfig "{key}" is stopped')


async def _check_unused(client: Client, config: FederatedTypeConfig) -> None:
    federated = config.spec.federated_type
    if await _has_objects(client, federated, namespaced=config.federated_namespaced):
        raise InstallError(
            f'Cannot delete CRD "{federated.qualified}" while resource instances exist',
            "remove them first, or leave out --delete-crd",
        )


async def _has_objects(client: Client, federated: ApiResource, *, namespaced: bool) -> bool:
    try:
        async for page in client.pages(resource_of(federated, namespaced=namespaced), limit=1):
            return bool(page.items)
    except NotFound:
        return False
    return False


async def _delete_crd(client: Client, name: str, voice: Voice) -> None:
    try:
        await client.delete(CRDS, name)
    except NotFound:
        voice.result(f'customresourcedefinition "{name}" does not exist')
        return
    voice.result(f'customresourcedefinition "{name}" deleted')
