"""KubeFed's leader lock: held by whoever acts on KubeFed's objects, so that never two do.

KubeFed's own controller manager takes it, too. While one of those renews it, nothing is started here; one that is gone
is waited for as its lease says.
"""

import asyncio
import os
import socket
import time
import uuid
from typing import NamedTuple

from atoll.api.kubefed import godurations
from atoll.api.kubefed.config import KubeFedConfig
from atoll.api.kubefed.defaulting import LEADER_ELECT
from atoll.api.kubefed.names import LEADER_LOCK
from atoll.api.kubefed.names import Lock as LockKind
from atoll.api.objects import Json
from atoll.kube.client import Client
from atoll.kube.errors import ConfigError, NotFound
from atoll.runtime.lease import LeaderElection
from atoll.runtime.locks import CONFIGMAP, ENDPOINT, Lock

OURS = "atoll_"
"""What identities of Atoll's processes begin with; KubeFed's are a host's name, `_` and a UUID."""
LOOK_EVERY = 0.5


class KubeFedRunsError(ConfigError):
    """A KubeFed controller manager is at work on the same host: there can't be two masters."""


class Terms(NamedTuple):
    """How the lock is held. Seconds."""

    lock: Lock
    duration: float
    renew: float
    retry: float


def terms(config: KubeFedConfig | None) -> Terms:
    """What the control plane's configuration says of it. Raises ValueError for a duration that is none."""
    given = config.spec.leader_elect if config is not None else None
    elect = given or LEADER_ELECT
    endpoints = elect.resource_lock == LockKind.ENDPOINTS

    def seconds(name: str) -> float:
        return godurations.seconds(getattr(elect, name) or getattr(LEADER_ELECT, name))

    return Terms(
        ENDPOINT if endpoints else CONFIGMAP,
        seconds("lease_duration"),
        seconds("renew_deadline"),
        seconds("retry_period"),
    )


def identity() -> str:
    return f"{OURS}{socket.gethostname()}_{os.getpid()}_{uuid.uuid4()}"


def election(client: Client, namespace: str, held: Terms, name: str) -> LeaderElection:
    return LeaderElection(
        client,
        LEADER_LOCK,
        namespace,
        name,
        duration=held.duration,
        renew=held.renew,
        retry=held.retry,
        lock=held.lock,
    )


async def check_free(client: Client, namespace: str, held: Terms) -> None:
    """Return when no KubeFed holds the lock, or the one that did renews it no more. Raises KubeFedRunsError."""
    first = await _record(client, namespace, held.lock)
    holder = str(first.get("holderIdentity") or "")
    if not holder or holder.startswith(OURS):
        return
    give_up_at = time.monotonic() + float(first.get("leaseDurationSeconds") or held.duration)
    while time.monotonic() < give_up_at:
        await asyncio.sleep(LOOK_EVERY)
        now = await _record(client, namespace, held.lock)
        if now == first:
            continue
        if not now.get("holderIdentity") or str(now["holderIdentity"]).startswith(OURS):
            return
        raise KubeFedRunsError(
            f"a KubeFed controller manager is running: {now['holderIdentity']} holds {held.lock.resource.kind} "
            f"{namespace}/{LEADER_LOCK} and renews it; stop it first (kubectl -n {namespace} scale deployment "
            f"kubefed-controller-manager --replicas 0), or run Atoll without KubeFed's control plane"
        )


async def _record(client: Client, namespace: str, lock: Lock) -> Json:
    try:
        return lock.read((await client.get(lock.resource, LEADER_LOCK, namespace)).body())
    except NotFound:
        return {}
