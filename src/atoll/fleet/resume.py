"""How an administrator confirms to the agent of a cluster in pull mode that what its hub says now is what counts."""

import asyncio
import time
from datetime import UTC, datetime

from atoll.api.cluster import Cluster
from atoll.kube.client import Client
from atoll.kube.errors import ConfigError
from atoll.kube.objects import Object
from atoll.kube.resources import CLUSTERS

ANNOTATION_RESUME = "atoll.dev/resume"
"""On a Cluster in pull mode: each new word confirms once."""
LOOK_EVERY = 0.3


async def resume(hub: Client, name: str, *, timeout: float, manager: str) -> str:
    """Confirm, and wait until the agent believes the hub again.

    Returns "" when it does, else what it still says after `timeout` seconds. Raises NotFound, and ConfigError for a
    cluster that isn't in pull mode: there a new epoch of the hub confirms.
    """
    live = await hub.get(CLUSTERS, name)
    if live.read(Cluster).spec.connection.pull is None:
        raise ConfigError(
            f"cluster {name} has no agent in pull mode: what is delivered there is confirmed by a new epoch of the hub"
        )
    word = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    patch = {"metadata": {"annotations": {ANNOTATION_RESUME: word}, "uid": live.uid}}
    await hub.patch(CLUSTERS, name, "", patch, type="merge", manager=manager)
    end = time.monotonic() + timeout
    while True:
        doubt = doubted(await hub.get(CLUSTERS, name))
        if not doubt or time.monotonic() >= end:
            return doubt
        await asyncio.sleep(LOOK_EVERY)


def doubted(cluster: Object) -> str:
    """What the cluster's agent doesn't believe; "" when all is well."""
    found = cluster.read(Cluster).status.conditions
    return next((c.message for c in found if c.type == "Believed" and c.status == "False"), "")
