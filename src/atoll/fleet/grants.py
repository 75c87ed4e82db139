"""Grants: who may write Secrets in the hub's `atoll-system` gives himself a way to a member through the hub.

That right is what reading a direct member's kubeconfig there takes, too. A grant is a Secret with the hash of a
credential for one cluster and its end; whoever shows the credential to the hub's endpoint is let through to the
member's API server, and acts there with the hub's rights. It is taken back when it isn't needed any more.
"""

import base64
import contextlib
import hashlib
import hmac
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from atoll.api.names import HUB_CONFIGMAP, SYSTEM_NAMESPACE
from atoll.fleet.credentials import LABEL_CLUSTER
from atoll.fleet.register import KEY_ADDRESSES, KEY_AUTHORITY
from atoll.kube.client import Client
from atoll.kube.connection import Config
from atoll.kube.errors import ConfigError, Conflict, KubeError, NotFound
from atoll.kube.objects import Object
from atoll.kube.resources import CONFIGMAPS, SECRETS

LIFE = 8 * 3600.0
LABEL_GRANT = "atoll.dev/grant"


class Grant(msgspec.Struct, frozen=True):
    """What is at rest of it. `expires`: epoch seconds."""

    cluster: str
    expires: float
    hash: str


def proxy_path(cluster: str) -> str:
    """Where the hub's endpoint passes requests on to `cluster`."""
    return f"/clusters/{cluster}/kube"


@asynccontextmanager
async def granted(hub: Client, cluster: str) -> AsyncIterator[Config]:
    """The way to `cluster` through the hub, while the context lasts. Raises KubeError."""
    found = (await hub.get(CONFIGMAPS, HUB_CONFIGMAP, SYSTEM_NAMESPACE)).body().get("data") or {}
    address, ca = str(found.get(KEY_ADDRESSES, "")).partition(",")[0], str(found.get(KEY_AUTHORITY, ""))
    if not address:
        raise ConfigError("this hub listens for no agents; start it with `atoll hub --agents-address HOST:PORT`")
    await _clear(hub)
    name, secret = f"grant-{secrets.token_hex(6)}", secrets.token_urlsafe(32)
    grant = Grant(cluster, time.time() + LIFE, hashlib.sha256(secret.encode()).hexdigest())
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": name,
            "namespace": SYSTEM_NAMESPACE,
            "labels": {LABEL_GRANT: "true", LABEL_CLUSTER: cluster},
        },
        "data": {"grant": base64.b64encode(msgspec.json.encode(grant)).decode()},
    }
    await hub.create(SECRETS, body)
    try:
        yield Config(
            server=address + proxy_path(cluster), ca=ca.encode(), token=f"{name}.{secret}", source="a grant of the hub"
        )
    finally:
        with contextlib.suppress(KubeError):
            await hub.delete(SECRETS, name, SYSTEM_NAMESPACE)


async def _clear(hub: Client) -> None:
    """Remove grants that have ended: of commands that were killed."""
    for stored in (await hub.list(SECRETS, SYSTEM_NAMESPACE, labels=LABEL_GRANT)).items:
        grant = _read(stored)
        if grant is None or time.time() > grant.expires:
            with contextlib.suppress(NotFound, Conflict):  # another command was quicker
                await hub.delete(SECRETS, stored.name, SYSTEM_NAMESPACE, uid=stored.uid)


def name_of(credential: str) -> str:
    """The Secret that a credential belongs to; "" for what is none."""
    name, _, secret = credential.partition(".")
    return name if name.startswith("grant-") and secret else ""


def opens(stored: Object | None, credential: str, cluster: str) -> bool:
    """Whether `credential`, whose Secret is `stored`, leads to `cluster` now."""
    if stored is None or stored.labels.get(LABEL_GRANT) != "true":
        return False
    grant = _read(stored)
    if grant is None:
        return False
    shown = hashlib.sha256(credential.partition(".")[2].encode()).hexdigest()
    return hmac.compare_digest(grant.hash, shown) and grant.cluster == cluster and time.time() < grant.expires


def _read(stored: Object) -> Grant | None:
    """None for what is none."""
    try:
        data = base64.b64decode((stored.body().get("data") or {}).get("grant", ""), validate=True)
        return msgspec.json.decode(data, type=Grant)
    except (ValueError, msgspec.DecodeError):
        return None
