"""What goes on the wire for a manifest: its content, and Atoll's marks on it."""

import base64
import hashlib
import weakref
from collections.abc import Sequence
from sys import intern

import msgspec

from atoll.api.intent import Revision
from atoll.api.manner import OWN_MANNER, LatePatch, Manner
from atoll.api.names import (
    ANNOTATION_APPLICATION,
    ANNOTATION_DIGEST,
    ANNOTATION_REVISION,
    ANNOTATION_WAVE,
    LABEL_APP,
    LABEL_HUB,
    LABEL_PART_OF,
    SYSTEM_NAMESPACE,
    applyset_parent,
)
from atoll.api.objects import Json, Key, Manifest, ObjectId
from atoll.deliver.order import Stage, stage_of

_SERVER_FIELDS = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink")
MARKS = (LABEL_HUB, LABEL_APP, LABEL_PART_OF)
NOTES = (ANNOTATION_DIGEST, ANNOTATION_REVISION, ANNOTATION_APPLICATION)

_sorted = msgspec.json.Encoder(order="sorted").encode


class Content(msgspec.Struct, frozen=True):
    """What is told of a manifest as it is to be sent, before marks; `digest` is the same for the same content."""

    digest: str
    stage: Stage


class Marks(msgspec.Struct, frozen=True):
    """What all objects of a delivery are marked with."""

    labels: dict[str, str]
    application: str


class Item(msgspec.Struct, frozen=True):
    """One object of one delivery, which is kept as the manifest that it is made from."""

    id: ObjectId
    version: str
    manifest: Manifest
    marks: Marks
    digest: str
    stage: Stage
    retained: frozenset[str] = frozenset()
    """JSON pointers of the fields that are somebody else's after creation."""

    @property
    def body(self) -> Json:
        """With all marks but the revision, which changes without the content. Made anew for each who asks."""
        body = clean(self.manifest.body)
        metadata = body["metadata"]
        metadata["labels"] = {**(metadata.get("labels") or {}), **self.marks.labels}
        notes = {ANNOTATION_DIGEST: self.digest, ANNOTATION_APPLICATION: self.marks.application}
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **notes}
        if self.version != self.manifest.version:
            body["apiVersion"] = self.api_version
        return body

    @property
    def api_version(self) -> str:
        return f"{self.id.group}/{self.version}" if self.id.group else self.version

    def sent(self, revision: Revision, body: Json | None = None) -> Json:
        """What is sent: `body` (else all of the item's own) with the revision. Shares everything else."""
        body = self.body if body is None else body
        metadata = body["metadata"]
        annotations = {**metadata["annotations"], ANNOTATION_REVISION: str(revision)}
        return {**body, "metadata": {**metadata, "annotations": annotations}}


class _Known(weakref.ref[Manifest]):
    """What is told of a manifest for as long as it is there."""

    __slots__ = ("content", "place")

    place: int
    content: Content


class Stamper:
    """Puts one hub's marks on manifests.

    A manifest that goes to many clusters is one object in memory: it is digested once, by identity.
    """

    def __init__(self, hub: str, home: str = SYSTEM_NAMESPACE) -> None:
        self._hub = hub
        self._part_of = applyset_id(hub, home)
        self._contents: dict[int, _Known] = {}
        self._gone = self._forget  # one for all
        self._marks = "", "", OWN_MANNER, Marks({}, "")

    def stamp(
        self,
        manifest: Manifest,
        key: Key,
        uid: str,
        retained: frozenset[str] = frozenset(),
        manner: Manner = OWN_MANNER,
        late: Sequence[LatePatch] = (),
    ) -> Item:
        """`manifest` as an object of Application `key`, whose UID is `uid`."""
        content = self._content(manifest)
        digest = content.digest
        if manner.whole or manner.labels:
            more = _sorted([digest, manner.whole, manner.labels, late, retained])
            digest = hashlib.sha256(more).hexdigest()[:32]
        marks = self._marks_of(str(key), uid, manner)
        return Item(manifest.id, manifest.version, manifest, marks, intern(digest), content.stage, retained)

    def _marks_of(self, application: str, uid: str, manner: Manner) -> Marks:
        """Those of the one before, when they are the same."""
        *before, marks = self._marks
        if before != [application, uid, manner]:
            labels = {**manner.labels, LABEL_HUB: self._hub, LABEL_APP: uid, LABEL_PART_OF: self._part_of}
            marks = Marks(labels, application)
            self._marks = application, uid, manner, marks
        return marks

    def _content(self, manifest: Manifest) -> Content:
        place = id(manifest)
        known = self._contents.get(place)
        if known is not None and known() is manifest:
            return known.content
        digest = intern(hashlib.sha256(_sorted(clean(manifest.body))).hexdigest()[:32])
        content = Content(digest, stage_of(manifest.id, manifest.annotations.get(ANNOTATION_WAVE, "")))
        made = self._contents[place] = _Known(manifest, self._gone)
        made.place, made.content = place, content
        return content

    def _forget(self, known: weakref.ref[Manifest]) -> None:
        assert isinstance(known, _Known)
        if self._contents.get(known.place) is known:
            del self._contents[known.place]


def clean(body: Json) -> Json:
    """`body` without what only servers write, and in the form in which removed fields can be told later."""
    given = body.get("metadata") or {}
    metadata = {key: value for key, value in given.items() if key not in _SERVER_FIELDS and value is not None}
    result = {**body, "metadata": metadata}
    match (body.get("apiVersion"), body.get("kind")):
        case ("v1", "Secret"):
            _clean_secret(result)
        case ("rbac.authorization.k8s.io/v1", "ClusterRole") if result.get("aggregationRule"):
            result.pop("rules", None)  # a controller fills them in: who sends an empty list fights it
    return result


def _clean_secret(body: Json) -> None:
    """`stringData` becomes `data`: the server owns the former's keys by that name, and would keep removed ones."""
    data = {key: "".join(str(value).split()) for key, value in (body.get("data") or {}).items()}
    for key, value in (body.pop("stringData", None) or {}).items():
        data[key] = base64.b64encode(str(value).encode()).decode()
    if data or "data" in body:
        body["data"] = data


def applyset_id(hub: str, home: str = SYSTEM_NAMESPACE) -> str:
    """KEP-3659's id of the parent that `hub` keeps on a member, in namespace `home` there."""
    text = f"{applyset_parent(hub)}.{home}.ConfigMap."
    code = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    return f"applyset-{code}-v1"
