"""Version records: which version of a federated object each member has, in KubeFed's own kinds."""

from collections.abc import Collection, Mapping

import msgspec

from atoll.api.kubefed.common import ObjectMeta
from atoll.api.kubefed.records import ClusterVersion, PropagatedVersionStatus
from atoll.api.objects import Json, Key
from atoll.kube.client import Client
from atoll.kube.errors import AlreadyExists, NotFound
from atoll.kube.kubefed_resources import CLUSTERPROPAGATEDVERSIONS, PROPAGATEDVERSIONS
from atoll.kube.objects import Object, Resource
from atoll.runtime import failpoints


class _Record(msgspec.Struct, frozen=True):
    metadata: ObjectMeta
    status: PropagatedVersionStatus | None = None


class Records:
    """All of them, read once; this hub is their only writer."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[Key, tuple[str, PropagatedVersionStatus | None]] = {}
        """By the record's own name: the UID of its owner, and what it says."""
        self._of: dict[str, Key] = {}
        """By the owner's UID: the record's name."""

    async def load(self, namespace: str) -> None:
        """`namespace`: the only one whose records matter; "" is all. Raises KubeError."""
        for resource in (PROPAGATEDVERSIONS, CLUSTERPROPAGATEDVERSIONS):
            if namespace and not resource.namespaced:
                continue
            for live in (await self._client.list(resource, namespace)).items:
                owner = live.owners[0].uid if live.owners else ""
                self._set(Key(live.namespace, live.name), owner, _said(live))

    async def keep(
        self,
        owner: Object,
        target: str,
        *,
        template: str,
        overrides: str,
        versions: Mapping[str, str],
        placed: Collection[str],
    ) -> bool:
        """Have it on record that federated object `owner`, of target kind `target`, has these versions on members.

        Of clusters that tell none now, what is on record stays while the object is the same. Returns whether something
        was written. Raises KubeError.
        """
        key = Key(owner.namespace, record_name(target, owner.name))
        uid, before = self._known.get(key, ("", None))
        if (
            before is not None
            and uid == owner.uid
            and (before.template_version, before.overrides_version)
            == (
                template,
                overrides,
            )
        ):
            told = {one.cluster_name: one.version for one in before.cluster_versions if one.cluster_name in placed}
            versions = told | dict(versions)
        status = PropagatedVersionStatus(
            template, overrides, tuple(ClusterVersion(name, versions[name]) for name in sorted(versions))
        )
        if uid == owner.uid and before == status:
            return False
        await self._write(key, owner, status, there=uid == owner.uid)
        self._set(key, owner.uid, status)
        return True

    def _set(self, key: Key, owner: str, status: PropagatedVersionStatus | None) -> None:
        self._known[key] = owner, status
        self._of[owner] = key

    def forget(self, uid: str) -> None:
        """The object with this UID is gone; the garbage collector takes its record along."""
        key = self._of.pop(uid, None)
        if key is not None and self._known.get(key, ("", None))[0] == uid:
            del self._known[key]

    @failpoints.around("hub.versionrecord")
    async def _write(self, key: Key, owner: Object, status: PropagatedVersionStatus, *, there: bool) -> None:
        resource = PROPAGATEDVERSIONS if owner.namespace else CLUSTERPROPAGATEDVERSIONS
        body = {"status": msgspec.to_builtins(status)}
        while True:
            if not there:
                await self._make(resource, key, owner)
            try:
                await self._client.patch(resource, key.name, key.namespace, body, subresource="status")
            except NotFound:
                there = False
                continue
            return

    async def _make(self, resource: Resource, key: Key, owner: Object) -> None:
        """A record of a former object of the same name becomes this one's, before the garbage collector comes."""
        metadata: Json = {"name": key.name, "ownerReferences": [reference(owner)]}
        if key.namespace:
            metadata["namespace"] = key.namespace
        try:
            await self._client.create(
                resource, {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
            )
        except AlreadyExists:
            await self._client.patch(
                resource, key.name, key.namespace, {"metadata": {"ownerReferences": [reference(owner)]}}
            )


def _said(live: Object) -> PropagatedVersionStatus | None:
    """What it says; one that can't be read says nothing, and is written anew."""
    try:
        return live.read(_Record).status
    except msgspec.ValidationError:
        return None


def record_name(target: str, name: str) -> str:
    return f"{target.lower()}-{name}"


def reference(owner: Object) -> Json:
    return {"apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid}
