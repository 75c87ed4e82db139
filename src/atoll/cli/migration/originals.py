"""Originals: what a migrated object was before, kept beside its Application, so that there is a way back.

A Secret each, since templates may hold some. It outlives the Application, and goes with the last step of the way back,
or when a person deletes it: then there is none.
"""

import base64
import gzip
import zlib

import msgspec

from atoll.api.kubefed.names import ANNOTATION_ORPHAN
from atoll.api.objects import Json
from atoll.cli.changing import MANAGER
from atoll.cli.exits import CommandError
from atoll.intake.kubefed.migration import ANNOTATION_FROM
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import SECRETS

LABEL = "atoll.dev/migration"
KUBEFED = "kubefed"
TYPE = "atoll.dev/original"
KEY = "original"
ANNOTATION_MARKED = "atoll.dev/migrating"
"""On a federated object: that it is marked as an orphan is no wish of its owner's, but of a migration."""
MOST_BYTES = 900 * 1024
_SERVERS = (
    *("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"),
    *("deletionTimestamp", "deletionGracePeriodSeconds", "finalizers"),
)


class Type(msgspec.Struct, frozen=True):
    """Where an object lives: what it takes to make it again when its type's configuration is gone."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool

    @classmethod
    def of(cls, resource: Resource) -> "Type":
        return cls(resource.group, resource.version, resource.kind, resource.plural, resource.namespaced)

    @property
    def resource(self) -> Resource:
        return Resource(self.group, self.version, self.kind, self.plural, namespaced=self.namespaced)


class Original(msgspec.Struct, frozen=True):
    """One migrated object. `application` is what it became; None for a FederatedNamespace.

    done: the Application has taken over, and is its owner's to change.
    """

    type: Type
    federated: Json
    preference: Json | None = None
    application: Json | None = None
    done: bool = False

    @property
    def kind(self) -> str:
        return self.type.kind

    @property
    def name(self) -> str:
        return str(self.federated["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.federated["metadata"].get("namespace", ""))

    def keeps_to(self, namespace: str, reaches: bool) -> bool:
        """Whether it says nothing of other namespaces than the one it is kept in: who writes Secrets there may have
        written it. What is cluster-scoped counts only where Applications may reach so far.
        """
        bodies = [body for body in (self.preference, self.application) if body is not None]
        if self.type.namespaced:
            bodies.append(self.federated)
        elif not reaches or self.namespace:
            return False
        return all((body.get("metadata") or {}).get("namespace") == namespace for body in bodies)


def secret_name(kind: str, name: str) -> str:
    return f"kubefed-{kind.lower()}-{name}"


def as_written(body: Json) -> Json:
    """`body` as somebody could write it again."""
    metadata = {k: v for k, v in unmarked(body)["metadata"].items() if k not in _SERVERS}
    return {k: v for k, v in body.items() if k not in {"metadata", "status"}} | {"metadata": metadata}


def unmarked(body: Json) -> Json:
    """`body` as it was before a migration marked it as an orphan and was cut off."""
    metadata = body["metadata"]
    annotations = metadata.get("annotations") or {}
    if ANNOTATION_MARKED not in annotations:
        return body
    rest = {k: v for k, v in annotations.items() if k not in {ANNOTATION_MARKED, ANNOTATION_ORPHAN}}
    kept = {k: v for k, v in metadata.items() if k != "annotations"}
    return body | {"metadata": kept | ({"annotations": rest} if rest else {})}


async def keep(hub: Client, original: Original, namespace: str) -> None:
    """Write it into `namespace`, over one that is there. Raises CommandError when it doesn't fit."""
    packed = gzip.compress(msgspec.json.encode(original), 6, mtime=0)
    if len(packed) > MOST_BYTES:
        raise CommandError(
            f"{original.kind} {original.name} has {len(packed) >> 10} KiB, compressed: too large to keep"
        )
    name = secret_name(original.kind, original.name)
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": TYPE,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {LABEL: KUBEFED},
            "annotations": {ANNOTATION_FROM: f"{original.kind}/{original.name}"},
        },
        "data": {KEY: base64.b64encode(packed).decode()},
    }
    await hub.apply(SECRETS, body, name=name, namespace=namespace, manager=MANAGER, force=True)


async def kept(hub: Client, namespace: str = "") -> list[tuple[str, Original]]:
    """All of `namespace`, "" being all namespaces; each with the namespace in which it is kept."""
    found = []
    for item in (await hub.list(SECRETS, namespace, labels=f"{LABEL}={KUBEFED}")).items:
        original = read(item)
        if original is not None:
            found.append((item.namespace, original))
    return found


def read(item: Object) -> Original | None:
    """None for what is none."""
    try:
        packed = base64.b64decode((item.body().get("data") or {}).get(KEY, ""), validate=True)
        return msgspec.json.decode(gzip.decompress(packed), type=Original)
    except (ValueError, OSError, EOFError, zlib.error, msgspec.MsgspecError):
        return None


async def drop(hub: Client, original: Original, namespace: str) -> None:
    try:
        await hub.delete(SECRETS, secret_name(original.kind, original.name), namespace)
    except NotFound:
        return
