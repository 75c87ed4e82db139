"""The last intent, on the member itself: what the agent works from while its hub is away.

One Secret an application in `atoll-system`: a volume would want a storage class and tie the agent to a node, and what
is held contains users' Secrets. It holds JSON through gzip; what doesn't fit into one Secret goes on in others, which
are written before the one that names them, and removed after it. So at any moment each application is there as it was
before a write or after it.
"""

import asyncio
import base64
import gzip
import hashlib
import re
import zlib
from typing import Any

import msgspec
import structlog

from atoll.agent.pulling.holdings import Held, Mark
from atoll.api.delivery import Delivery, Removal
from atoll.api.manner import OWN_MANNER
from atoll.api.names import SYSTEM_NAMESPACE
from atoll.api.objects import Json
from atoll.fleet.identity import ensure_namespace
from atoll.fleet.rights import LABEL_INSTALLED_BY
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.objects import Object
from atoll.kube.resources import SECRETS
from atoll.runtime import failpoints

log = structlog.get_logger(__name__)

LABEL = "atoll.dev/intent"
"""On all of them: `mark`, `held`, or `part` of a large one."""
TYPE = "atoll.dev/intent"
MARK = "atoll-intent"
MANAGER = "atoll-agent"
PART = 700_000
"""Bytes in one Secret: the API server takes 1 MiB of data, in base64 and with its object 1.5 MiB."""
UNREADABLE = (KeyError, ValueError, OSError, EOFError, RecursionError, zlib.error, msgspec.DecodeError)
"""What comes of a Secret that somebody spoilt."""
_SAFE = re.compile(r"[a-z0-9]([-a-z0-9.]{0,99}[a-z0-9])?")


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is written of one application: exactly one of these. An agent that knows no manners, should an older one be
    put back, must not find what is in one.
    """

    digest: str
    delivery: Delivery | None = None
    removal: Removal | None = None
    delivery_in_manner: Delivery | None = None
    removal_in_manner: Removal | None = None


class Store:
    """Reads and writes it. All its methods raise KubeError."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._parts: dict[str, tuple[str, ...]] = {}
        self._labels: dict[str, str] = {}

    async def load(self) -> tuple[Mark, dict[str, Held]]:
        """All that is there. What can't be read is left out: the hub will say it again."""
        secrets = (await self._client.list(SECRETS, SYSTEM_NAMESPACE, labels=LABEL)).items
        data = {secret.name: _data(secret) for secret in secrets}
        mark, held = Mark(), {}
        for secret in secrets:
            try:
                if secret.labels.get(LABEL) == "mark":
                    mark = msgspec.json.decode(data[secret.name]["mark"], type=Mark)
                elif secret.labels.get(LABEL) == "held":
                    found = self._read(secret.name, data)
                    held[found.target.uid] = found
            except UNREADABLE as error:
                log.warning("intent unreadable", secret=secret.name, error=f"{type(error).__name__}: {error}")
        self._label(mark.hub)
        return mark, held

    def _read(self, name: str, data: dict[str, dict[str, bytes]]) -> Held:
        parts = tuple(data[name]["parts"].decode().split())
        self._parts[name] = parts
        text = gzip.decompress(b"".join([data[name]["intent"], *(data[part]["intent"] for part in parts)]))
        kept = msgspec.json.decode(text, type=Kept)
        target = kept.delivery or kept.removal or kept.delivery_in_manner or kept.removal_in_manner
        if target is None:
            raise KeyError("delivery")
        return Held(target, kept.digest)

    async def prepare(self) -> None:
        """Make the namespace when it is missing."""
        await ensure_namespace(self._client)

    @failpoints.around("agent.mark")
    async def mark(self, mark: Mark) -> None:
        """Keep `mark` in place of the one before."""
        self._label(mark.hub)
        await self._write(MARK, "mark", {"mark": msgspec.json.encode(mark)})

    @failpoints.around("agent.store")
    async def put(self, held: Held) -> None:
        """Keep `held` in place of what there is of its application."""
        name, target = secret_name(held.target.uid), held.target
        kept = _kept(held.digest, target)
        text = await asyncio.to_thread(lambda: gzip.compress(msgspec.json.encode(kept), 3, mtime=0))
        pieces = [text[start : start + PART] for start in range(0, len(text), PART)]
        content = hashlib.blake2b(text, digest_size=6).hexdigest()  # one digest may count as a later revision
        parts = tuple(f"{name}-{content}-{number}" for number in range(1, len(pieces)))
        for part, piece in zip(parts, pieces[1:], strict=True):
            await self._write(part, "part", {"intent": piece})
        await self._write(name, "held", {"intent": pieces[0], "parts": " ".join(parts).encode()})
        before, self._parts[name] = self._parts.get(name, ()), parts
        for part in set(before) - set(parts):
            await self._delete(part)

    @failpoints.around("agent.drop")
    async def drop(self, uid: str) -> None:
        """Keep nothing of application `uid`."""
        name = secret_name(uid)
        await self._delete(name)
        for part in self._parts.pop(name, ()):
            await self._delete(part)

    async def clear(self) -> None:
        """Keep nothing at all: the member leaves the fleet. The mark goes last."""
        secrets = (await self._client.list(SECRETS, SYSTEM_NAMESPACE, labels=LABEL)).items
        for secret in sorted(secrets, key=lambda secret: secret.name == MARK):
            await self._delete(secret.name)
        self._parts.clear()

    def _label(self, hub: str) -> None:
        self._labels = {LABEL_INSTALLED_BY: hub} if hub else {}

    async def _write(self, name: str, what: str, data: dict[str, bytes]) -> None:
        body: Json = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": SYSTEM_NAMESPACE, "labels": {LABEL: what, **self._labels}},
            "type": TYPE,
            "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
        }
        try:
            await self._client.apply(SECRETS, body, name=name, namespace=SYSTEM_NAMESPACE, manager=MANAGER, force=True)
        except NotFound:  # the namespace
            await self.prepare()
            await self._client.apply(SECRETS, body, name=name, namespace=SYSTEM_NAMESPACE, manager=MANAGER, force=True)

    async def _delete(self, name: str) -> None:
        try:
            await self._client.delete(SECRETS, name, SYSTEM_NAMESPACE)
        except NotFound:
            return


def _kept(digest: str, target: Delivery | Removal) -> Kept:
    name = "delivery" if isinstance(target, Delivery) else "removal"
    fields: dict[str, Any] = {name if target.manner == OWN_MANNER else f"{name}_in_manner": target}
    return Kept(digest, **fields)


def secret_name(uid: str) -> str:
    """Where application `uid` is kept. Raises ValueError for what can't be a UID."""
    if not _SAFE.fullmatch(uid):
        raise ValueError(f"{uid!r} is not the UID of an object")
    return f"atoll-intent-{uid}"


def _data(secret: Object) -> dict[str, bytes]:
    return {key: base64.b64decode(value or "") for key, value in (secret.body().get("data") or {}).items()}
