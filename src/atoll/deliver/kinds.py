"""The kinds of one member that delivery knows: where they are served, and whether they are watched."""

import msgspec
import structlog

from atoll.api.objects import GroupKind, Json, ObjectId
from atoll.kube.client import Client
from atoll.kube.errors import Forbidden, KindNotServed, KubeError, NotFound
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import NAMESPACES
from atoll.runtime.watchset import WatchSet

log = structlog.get_logger(__name__)


class _Condition(msgspec.Struct):
    type: str
    status: str


class _CrdStatus(msgspec.Struct):
    conditions: tuple[_Condition, ...] | None = None


class _CrdNames(msgspec.Struct):
    kind: str = ""
    plural: str = ""


class _CrdVersion(msgspec.Struct):
    name: str
    served: bool = False


class _CrdSpec(msgspec.Struct):
    group: str = ""
    names: _CrdNames = msgspec.field(default_factory=_CrdNames)
    scope: str = "Namespaced"
    versions: tuple[_CrdVersion, ...] = ()


class _Crd(msgspec.Struct):
    spec: _CrdSpec = msgspec.field(default_factory=_CrdSpec)
    status: _CrdStatus = msgspec.field(default_factory=_CrdStatus)


def defined_kind(body: Json) -> GroupKind:
    """The kind that the CRD `body` defines."""
    spec = msgspec.convert(body, _Crd, strict=False).spec
    return GroupKind(spec.group, spec.names.kind)


def established(crd: Object | None) -> bool:
    """Whether the server serves what `crd` defines."""
    if crd is None:
        return False
    conditions = crd.read(_Crd).status.conditions or ()
    return any(c.type == "Established" and c.status == "True" for c in conditions)


class Kinds:
    """Finds the resource of a kind, and sees to it that our objects of it are watched."""

    def __init__(self, client: Client, watches: WatchSet) -> None:
        self._client = client
        self._watches = watches
        self._resources: dict[tuple[GroupKind, str], Resource] = {}
        self._versions: dict[GroupKind, str] = {}
        """By kind: the version that manifests want watched."""
        self._watched: dict[GroupKind, str] = {}

    async def resource(self, kind: GroupKind, version: str = "") -> Resource:
        """Raises KindNotServed, or another KubeError when it can't be told now."""
        found = self._resources.get((kind, version))
        if found is None:
            found = await self._client.discovery.resource(kind.group, kind.kind, version)
            self._resources[kind, version] = found
        return found

    def known(self, kind: GroupKind, version: str) -> Resource | None:
        """The resource, when it was found before."""
        return self._resources.get((kind, version))

    def forget(self, kind: GroupKind) -> None:
        """The server said that it isn't there: ask again next time."""
        for key in [key for key in self._resources if key[0] == kind]:
            del self._resources[key]
        self._watched.pop(kind, None)
        self._client.discovery.doubt()

    def defined(self, crd: Object) -> None:
        """Take the kinds of a CRD that is established, which discovery may not tell yet."""
        spec = crd.read(_Crd).spec
        kind = GroupKind(spec.group, spec.names.kind)
        for version in spec.versions:
            if version.served:
                namespaced = spec.scope == "Namespaced"
                found = Resource(spec.group, version.name, kind.kind, spec.names.plural, namespaced)
                self._resources[kind, version.name] = found
        self._client.discovery.invalidate()

    def followed(self, kind: GroupKind, version: str) -> Resource | None:
        """The resource, when `watch` would return at once for it."""
        found = self._resources.get((kind, version))
        if found is None or self._watched.get(kind) != found.version or not self._watches.listed(kind):
            return None
        return found

    async def watch(self, resource: Resource) -> None:
        """Return when our objects of this kind are watched and known. Raises KubeError.

        The first version that a manifest asks for is the one that is watched, for as long as it is served: live objects
        in it can be compared.
        """
        kind = resource.group_kind
        version = self._versions.setdefault(kind, resource.version)
        if version != resource.version and not self._watches.listed(kind):
            try:
                await self._watches.ensure(await self.resource(kind, version))
            except KindNotServed:
                self.forget(kind)
                version = self._versions[kind] = resource.version
        if version == resource.version and (self._watched.get(kind) != version or not self._watches.listed(kind)):
            await self._watches.ensure(resource)
            self._watched[kind] = version

    async def admit(self, key: ObjectId, version: str) -> None:
        """Raise KubeError when what is made at `key` could not be followed: then it is better not made.

        Only rights in single namespaces have such places: other namespaces, and none for what is cluster-scoped.
        """
        allowed = self._watches.namespaces
        if self._watches.excludes(key.namespace):
            rights = f"namespaces={','.join(allowed)}"
            raise Forbidden(
                403, "Forbidden", f"namespace {key.namespace} is outside of Atoll's rights on this cluster: {rights}"
            )
        if allowed and not key.namespace:
            resource = await self.resource(key.group_kind, version)
            if not resource.namespaced:
                await self.watch(resource)

    def refused(self, key: ObjectId) -> KubeError | None:
        """The member's answer, when objects like `key` may not be listed in one of the namespaces of our rights."""
        error = self._watches.error(key.group_kind, key.namespace) if self._watches.namespaces else None
        return error if isinstance(error, Forbidden) else None

    async def accounted(self, kind: GroupKind) -> str:
        """Why our objects of `kind` on the member are not all known; "" when they are.

        A kind that isn't served has no objects: its definition is gone, and they with it.
        """
        if self._watches.listed(kind):
            return ""
        self.forget(kind)
        try:
            await self._follow(kind)
        except KindNotServed:
            return ""
        except KubeError as error:
            if not isinstance(error, Forbidden) or await self._hidden(kind):
                log.info("kind can't be listed", kind=str(kind), error=str(error))
                return str(error)
        return await self._hidden(kind)

    async def _follow(self, kind: GroupKind) -> None:
        """Watch it in the version that manifests want or, when that isn't served, in another: the objects are the same.
        Raises KindNotServed only when the server has just said so, and not a second ago.
        """
        try:
            await self._watches.ensure(await self.resource(kind, self._versions.get(kind, "")))
        except KindNotServed:
            self.forget(kind)
            self._client.discovery.invalidate()
            await self._watches.ensure(await self.resource(kind))

    async def _hidden(self, kind: GroupKind) -> str:
        """Why objects of ours may be in a namespace of our rights unseen; "" when such a namespace is gone."""
        for namespace, error in self._watches.unlisted(kind):
            if not (isinstance(error, Forbidden) and namespace and await self._is_gone(namespace)):
                return str(error or "its watch has just broken")
        return ""

    async def _is_gone(self, namespace: str) -> bool:
        try:
            await self._client.get(NAMESPACES, namespace)
        except NotFound:
            return True
        except KubeError:
            return False
        return False
