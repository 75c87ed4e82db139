"""Join tokens: each lets one agent speak for one cluster, once, within the hour. At rest is only a hash.

A token is `<id>.<secret>`; its record is the Secret `join-<id>` in the hub's `atoll-system`. Whose key a token has let
in is kept in the Secret `agent-<cluster>`: there is one at a time, so a new token that is used ends the former agent.
"""

import base64
import contextlib
import hashlib
import hmac
import re
import secrets
import time

import msgspec

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.api.objects import Json
from atoll.fleet.credentials import LABEL_CLUSTER
from atoll.kube.client import Client
from atoll.kube.errors import AlreadyExists, Conflict, NotFound
from atoll.kube.objects import Object
from atoll.kube.resources import SECRETS

LABEL_TOKEN = "atoll.dev/join-token"  # noqa: S105  a label
LIFE_MOST = 3600.0
KEPT = 24 * 3600.0
"""Seconds after its end for which a used or expired token is remembered, so that who tries it is told what is wrong."""
_FORM = re.compile(r"[0-9a-f]{8}\.[A-Za-z0-9_-]{43}")


class TokenError(Exception):
    """A token that isn't taken. `reason`: TokenUnknown, TokenExpired, TokenUsed, WrongCluster."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Record(msgspec.Struct, frozen=True):
    """What is at rest of a token. Times are epoch seconds; `key` is the fingerprint of the key that used it."""

    id: str
    cluster: str
    expires: float
    hash: str
    key: str = ""
    used: float = 0.0

    @property
    def state(self) -> str:
        if self.key:
            return "used"
        return "expired" if time.time() > self.expires else "waiting"


async def create(hub: Client, cluster: str, *, life: float = LIFE_MOST) -> tuple[str, Record]:
    """A new token for Cluster `cluster`, and its record; the token itself is kept nowhere. `life` in seconds."""
    if not 0 < life <= LIFE_MOST:
        raise ValueError(f"a token lives for at most {LIFE_MOST:g} s")
    token = f"{secrets.token_hex(4)}.{secrets.token_urlsafe(32)}"
    name, _, secret = token.partition(".")
    record = Record(name, cluster, time.time() + life, _hash(secret))
    await hub.create(SECRETS, _body(record))
    return token, record


async def use(hub: Client, token: str, cluster: str, key: str) -> tuple[Record, bool]:
    """Spend `token` for the key with fingerprint `key`; whether it was spent before, too. Who asks again with the same
    key gets the same answer: the first may have been lost on its way. Raises TokenError.
    """
    if not _FORM.fullmatch(token):
        raise TokenError("TokenUnknown", "this is no join token; copy the whole command")
    name, _, secret = token.partition(".")
    while True:
        try:
            stored = await hub.get(SECRETS, _name(name), SYSTEM_NAMESPACE)
        except NotFound as error:
            raise _unknown() from error
        record = read(stored)
        if not hmac.compare_digest(record.hash, _hash(secret)):
            raise _unknown()
        _check(record, cluster, key)
        if record.key:
            return record, True
        spent = msgspec.structs.replace(record, key=key, used=time.time())
        body = _body(spent)
        body["metadata"] |= {"resourceVersion": stored.resource_version, "uid": stored.uid}
        try:
            await hub.replace(SECRETS, body)
        except (Conflict, NotFound):
            continue  # somebody was quicker: look again
        return spent, False


def _check(record: Record, cluster: str, key: str) -> None:
    if record.cluster != cluster:
        raise TokenError("WrongCluster", f"this token is not for a cluster named {cluster}; register that name")
    if record.key and record.key != key:
        raise _spent(cluster)
    if time.time() > record.expires:
        raise TokenError(
            "TokenExpired",
            f"this token has expired; `atoll cluster register {cluster}` makes another (are the hub's clocks right?)",
        )


def _spent(cluster: str) -> TokenError:
    return TokenError(
        "TokenUsed", f"this token has been used already; `atoll cluster register {cluster}` makes another"
    )


def _unknown() -> TokenError:
    return TokenError(
        "TokenUnknown",
        "this hub knows no such token: was it revoked, has its cluster left since, or is it another hub's?",
    )


async def records(hub: Client) -> tuple[Record, ...]:
    """All that are remembered, the newest first; those that are long over are forgotten."""
    found = []
    for stored in (await hub.list(SECRETS, SYSTEM_NAMESPACE, labels=LABEL_TOKEN)).items:
        record = read(stored)
        if time.time() > record.expires + KEPT:
            with contextlib.suppress(NotFound, Conflict):  # another was quicker
                await hub.delete(SECRETS, stored.name, SYSTEM_NAMESPACE, uid=stored.uid)
        else:
            found.append(record)
    return tuple(sorted(found, key=lambda r: -r.expires))


async def revoke(hub: Client, name: str) -> None:
    """Forget token `name`: nobody can use it any more. Raises NotFound."""
    await hub.delete(SECRETS, _name(name), SYSTEM_NAMESPACE)


async def forget(hub: Client, cluster: str) -> None:
    """Cluster `cluster` has left: no token lets anybody in under this name, nor in again, should it come back."""
    for stored in (await hub.list(SECRETS, SYSTEM_NAMESPACE, labels=f"{LABEL_TOKEN},{LABEL_CLUSTER}={cluster}")).items:
        with contextlib.suppress(NotFound):
            await hub.delete(SECRETS, stored.name, SYSTEM_NAMESPACE, uid=stored.uid)


def read(stored: Object) -> Record:
    data = stored.body().get("data") or {}
    return msgspec.json.decode(base64.b64decode(data.get("record", "")), type=Record)


# Whose key speaks for a cluster.


def bearer_name(cluster: str) -> str:
    """The Secret that says which key speaks for `cluster`."""
    return f"agent-{cluster}"


async def admit(hub: Client, cluster: str, uid: str, record: Record, *, again: bool) -> None:
    """From now on the key of `record`, which was used, and no other, speaks for Cluster `cluster` with UID `uid`.

    `again`: the token was spent before. Then whoever was let in since stays: who was replaced doesn't come back by the
    token that let him in. Raises TokenError.
    """
    body: Json = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": bearer_name(cluster),
            "namespace": SYSTEM_NAMESPACE,
            "labels": {LABEL_CLUSTER: cluster},
            "ownerReferences": [
                {"apiVersion": "atoll.dev/v1alpha1", "kind": "Cluster", "name": cluster, "uid": uid},
            ],
        },
        "data": {"uid": _base64(uid), "key": _base64(record.key), "used": _base64(repr(record.used))},
    }
    while True:
        try:
            there = await hub.get(SECRETS, bearer_name(cluster), SYSTEM_NAMESPACE)
        except NotFound:
            there = None
        try:
            if there is None:
                await hub.create(SECRETS, body)
                return
            if again and _admitted(there) > record.used and not speaks_for(there, uid, record.key):
                raise _spent(cluster)
            metadata = body["metadata"] | {"resourceVersion": there.resource_version, "uid": there.uid}
            await hub.replace(SECRETS, body | {"metadata": metadata})
        except (AlreadyExists, Conflict, NotFound):
            continue  # somebody was quicker: look again
        return


def _admitted(bearer: Object) -> float:
    """When the token was used that let it in; 0 where that was not kept."""
    return float(base64.b64decode((bearer.body().get("data") or {}).get("used", "")) or 0.0)


def speaks_for(bearer: Object | None, uid: str, key: str) -> bool:
    """Whether Secret `bearer` says that `key` speaks for the Cluster with `uid`."""
    data = (bearer.body().get("data") if bearer is not None else None) or {}
    return data.get("uid") == _base64(uid) and hmac.compare_digest(data.get("key", ""), _base64(key))


def _name(token: str) -> str:
    return f"join-{token}"


def _body(record: Record) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": _name(record.id),
            "namespace": SYSTEM_NAMESPACE,
            "labels": {LABEL_TOKEN: "true", LABEL_CLUSTER: record.cluster},
        },
        "data": {"record": _base64(msgspec.json.encode(record).decode())},
    }


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
