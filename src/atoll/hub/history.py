"""Former contents of Applications, kept on the hub: Secrets of type `atoll.dev/revision`, the last 10.

A content is written when it is superseded, not before: most Applications are never changed, and a first delivery is not
to wait for it. Secrets, since manifests may hold some.
"""

import base64
import gzip
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec
import structlog

from atoll.api.differences import Difference
from atoll.api.intent import Content, Former
from atoll.api.names import ANNOTATION_APPLICATION, API_VERSION, LABEL_REVISIONS, REVISION_TYPE
from atoll.api.objects import Json, Key, ObjectId, manifest
from atoll.kube.client import Client
from atoll.kube.errors import AlreadyExists, BadRequest, Forbidden, Invalid, KubeError, NotFound, TooLarge
from atoll.kube.objects import Object
from atoll.kube.resources import SECRETS

log = structlog.get_logger(__name__)

MOST = 10
MOST_BYTES = 900 * 1024
"""Of one content, compressed: a Secret has at most 1 MiB."""
MOST_UNPACKED = 64 * 1024 * 1024
DIGEST, LAST, CONTENT = "atoll.dev/content", "atoll.dev/last", "content"


class Kept(msgspec.Struct, frozen=True):
    """One former content: the sequence number with which it began, and when it was superseded (RFC 3339)."""

    revision: int
    former: Former
    superseded: str = ""


class _Written(msgspec.Struct, frozen=True):
    """What a Secret holds, as JSON in gzip."""

    manifests: tuple[Json, ...]
    differences: tuple[Difference, ...] = ()
    templates: tuple[ObjectId, ...] = ()


class TooLargeError(Exception):
    """A content that doesn't fit into a Secret."""


def secret(key: Key, uid: str, revision: int, former: Former) -> Json:
    """The Secret of one content. It goes with its Application. Raises TooLargeError."""
    content = former.content
    written = _Written(tuple(m.body for m in content.manifests), content.differences, tuple(sorted(content.templates)))
    packed = gzip.compress(msgspec.json.encode(written), 6, mtime=0)
    if len(packed) > MOST_BYTES:
        raise TooLargeError(f"revision {revision} has {len(packed) >> 10} KiB, compressed: too large to be kept")
    owner = {"apiVersion": API_VERSION, "kind": "Application", "name": key.name, "uid": uid}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": REVISION_TYPE,
        "immutable": True,
        "metadata": {
            "name": f"{key.name}.r{revision}",
            "namespace": key.namespace,
            "labels": {LABEL_REVISIONS: uid},
            "annotations": {ANNOTATION_APPLICATION: str(key), DIGEST: content.digest, LAST: str(former.last)},
            "ownerReferences": [owner],
        },
        "data": {CONTENT: base64.b64encode(packed).decode()},
    }


def read(live: Object) -> Kept | None:
    """What a Secret holds; None when it isn't one of these, or can't be read."""
    body = live.body()
    _, _, number = live.name.rpartition(".r")
    if body.get("type") != REVISION_TYPE or not number.isdecimal():
        return None
    try:
        unpacker = zlib.decompressobj(wbits=31)
        text = unpacker.decompress(base64.b64decode(body["data"][CONTENT]), MOST_UNPACKED)
        written = msgspec.json.decode(text, type=_Written)
    except (KeyError, ValueError, zlib.error, msgspec.DecodeError):
        return None
    digest = str(live.annotations.get(DIGEST, ""))
    manifests = tuple(manifest(m) for m in written.manifests)
    content = Content(digest, manifests, written.differences, frozenset(written.templates))
    last = live.annotations.get(LAST, "")
    return Kept(int(number), Former(content, int(last) if last.isdecimal() else int(number)), live.created)


async def listed(client: Client, namespace: str, uid: str) -> list[Kept]:
    """The former contents of an Application, oldest first. Raises KubeError."""
    found = await client.list(SECRETS, namespace, labels=f"{LABEL_REVISIONS}={uid}")
    return sorted((kept for item in found.items if (kept := read(item))), key=lambda kept: kept.revision)


LASTING = (TooLargeError, BadRequest, Forbidden, Invalid, NotFound, TooLarge)
"""What will be said again, however often one asks."""


class NotKept(NamedTuple):
    """Why a content could not be kept; `passes`: another time it may be."""

    why: str
    passes: bool


class History:
    """Keeps contents, and lets the oldest go."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._numbers: dict[str, set[int]] = {}

    async def keep(
        self, key: Key, uid: str, formers: Iterable[tuple[int, Former]], spare: Iterable[int]
    ) -> NotKept | None:
        """Write `formers`, by number; of more than 10 the oldest go, but those of `spare`.

        Returns why one could not be kept, None when all were. Never raises KubeError: a change goes on without.
        """
        try:
            numbers = await self._known(key, uid)
            for revision, former in formers:
                if revision not in numbers:
                    await self._write(key, secret(key, uid, revision, former))
                    numbers.add(revision)
            for number in _surplus(numbers, frozenset(spare)):
                await self._drop(key, number)
                numbers.discard(number)
        except (KubeError, TooLargeError) as error:
            log.warning("revision not kept", application=str(key), error=str(error))
            return NotKept(str(error), passes=not isinstance(error, LASTING))
        return None

    async def load(self, key: Key, uid: str) -> dict[int, Former]:
        """By the number with which each began. Raises KubeError."""
        found = await listed(self._client, key.namespace, uid)
        self._numbers[uid] = {kept.revision for kept in found}
        return {kept.revision: kept.former for kept in found}

    def first(self, uid: str) -> None:
        """The Application has never been changed: nothing can be there."""
        self._numbers.setdefault(uid, set())

    def forget(self, uid: str) -> None:
        self._numbers.pop(uid, None)

    async def _known(self, key: Key, uid: str) -> set[int]:
        """The numbers on record. Where Secrets may not be listed, those of this process's life."""
        if uid not in self._numbers:
            try:
                await self.load(key, uid)
            except Forbidden:
                self._numbers[uid] = set()
        return self._numbers[uid]

    async def _write(self, key: Key, body: Json) -> None:
        try:
            await self._client.create(SECRETS, body)
        except AlreadyExists:
            log.info("revision was kept before", application=str(key), name=body["metadata"]["name"])

    async def _drop(self, key: Key, number: int) -> None:
        try:
            await self._client.delete(SECRETS, f"{key.name}.r{number}", key.namespace)
        except NotFound:
            return


def _surplus(numbers: set[int], spare: frozenset[int]) -> Iterator[int]:
    """Those that go, oldest first. What is in use may be older than ten others."""
    return (number for number in sorted(numbers)[:-MOST] if number not in spare)
