"""The finalizer from birth: the API server itself puts it on each new Application, by an admission policy (KEP-3962).

An Application may not go before its objects do, so the finalizer has to be on it before the first of them is written.
Where the API server sets it while it creates the Application, that costs no write and no round trip. It is no more than
a saving: where there is no such policy (before Kubernetes 1.36, or without the right to make one) the hub writes the
finalizer itself.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from atoll.api.names import FIELD_MANAGER, FINALIZER, GROUP
from atoll.api.objects import Json
from atoll.kube.client import Client
from atoll.kube.errors import KubeError, NotFound
from atoll.kube.resources import MUTATINGPOLICIES, MUTATINGPOLICYBINDINGS
from atoll.runtime.supervise import cancel_and_wait

log = structlog.get_logger(__name__)

NAME = "atoll"
STEADY = 12.0
"""Seconds after the hub's start. API servers look for new schemas every 5 s (1.36: type converters of policies)."""
ENDING = 2.0
"""Seconds that a hub's end may take longer for it."""
RESOURCES = (MUTATINGPOLICIES, MUTATINGPOLICYBINDINGS)


def policy() -> tuple[Json, Json]:
    """The policy and its binding, of `RESOURCES`."""
    metadata = {"name": NAME}
    spec = {
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [GROUP],
                    "apiVersions": ["*"],
                    "operations": ["CREATE"],
                    "resources": ["applications"],
                }
            ]
        },
        "failurePolicy": "Ignore",
        "reinvocationPolicy": "Never",
        "mutations": [
            {
                "patchType": "ApplyConfiguration",
                "applyConfiguration": {
                    "expression": f'Object{{metadata: Object.metadata{{finalizers: ["{FINALIZER}"]}}}}'
                },
            }
        ],
    }
    kinds = ({"apiVersion": resource.api_version, "kind": resource.kind} for resource in RESOURCES)
    return {**next(kinds), "metadata": metadata, "spec": spec}, {
        **next(kinds),
        "metadata": metadata,
        "spec": {"policyName": NAME},
    }


@asynccontextmanager
async def held_from_birth(client: Client, leads: Callable[[], bool]) -> AsyncIterator[None]:
    """Have the API server hold new Applications while the context lasts, where it can and we may.

    A hub that ends takes the policy away, so that nobody's Applications wait for one that isn't there; not so a hub
    that leads no more: the policy is its successor's then.
    """
    registering = asyncio.create_task(_register(client), name="admission policy")
    try:
        yield
    finally:
        await cancel_and_wait(registering)
        if leads():
            await hold_no_longer(client)


async def _register(client: Client) -> None:
    """Once the kinds have been there for a while: before, the API server would refuse new Applications by 503."""
    await asyncio.sleep(STEADY)
    try:
        for resource, body in zip(RESOURCES, policy(), strict=True):
            await client.apply(resource, body, name=NAME, manager=FIELD_MANAGER, force=True)
    except KubeError as error:
        log.info("the hub writes the finalizers itself", why=str(error))


async def hold_no_longer(client: Client) -> None:
    """Take the policy away, where it is and we may. It leaves the finalizers that are set alone."""
    with contextlib.suppress(KubeError, TimeoutError):
        async with asyncio.timeout(ENDING):
            for resource in reversed(RESOURCES):
                with contextlib.suppress(NotFound):
                    await client.delete(resource, NAME)
