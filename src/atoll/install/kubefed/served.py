"""Which type a user means: every type of a server by all its names, and what its schema says of it."""

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec

from atoll.api.kubefed.types import TargetType
from atoll.api.objects import Json
from atoll.install.kinds import InstallError
from atoll.kube.catalogue import read_group_versions
from atoll.kube.client import Client
from atoll.kube.errors import ApiError, NotFound
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import CRDS

GROUP_VERSION_KIND = "x-kubernetes-group-version-kind"


class ServedType(msgspec.Struct, frozen=True):
    """A type as a server serves it in one version."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    verbs: frozenset[str] = frozenset()
    preferred: bool = True

    @property
    def qualified(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def called(self, name: str) -> bool:
        """Whether `name` is one of its names: plural, singular, kind, `plural.group`, or a short name."""
        name = name.lower()
        names = {self.plural, self.singular, self.kind.lower(), f"{self.plural}.{self.group}"}
        return name in names or name in {short.lower() for short in self.short_names}


class _ApiResource(msgspec.Struct, rename="camel"):
    name: str
    kind: str
    namespaced: bool = True
    singular_name: str = ""
    short_names: tuple[str, ...] = ()
    verbs: frozenset[str] = frozenset()


class _ApiResources(msgspec.Struct):
    resources: tuple[_ApiResource, ...] = ()


async def served_types(client: Client, silent: set[str] | None = None) -> list[ServedType]:
    """All types in all versions, the core group first; a group's preferred version before its others.

    A group whose own server doesn't answer is passed over, and added to `silent`.
    """
    groups = (await client.exchange("GET", "/apis")).body
    versions = [("", "v1"), *read_group_versions(groups)]
    documents = await asyncio.gather(*(_resources(client, *version) for version in versions))
    found: dict[tuple[str, str], list[ServedType]] = {}
    for (group, version), items in zip(versions, documents, strict=True):
        if items is None and silent is not None:
            silent.add(group)
        for item in items or ():
            known = found.setdefault((group, item.name), [])
            known.append(
                ServedType(
                    group,
                    version,
                    item.kind,
                    item.name,
                    item.singular_name,
                    item.namespaced,
                    item.short_names,
                    item.verbs,
                    preferred=not known,
                )
            )
    return [served for known in found.values() for served in known]


async def _resources(client: Client, group: str, version: str) -> Iterable[_ApiResource] | None:
    path = f"/apis/{group}/{version}" if group else f"/api/{version}"
    try:
        document = (await client.exchange("GET", path)).body
    except ApiError:
        return None
    return [item for item in msgspec.json.decode(document, type=_ApiResources).resources if "/" not in item.name]


def chosen(types: Iterable[ServedType], name: str, version: str = "") -> ServedType:
    """The type that is called `name`; the core group's before all others. Raises InstallError."""
    matching = [t for t in types if t.called(name) and (t.version == version if version else t.preferred)]
    core = [t for t in matching if not t.group]
    if core:
        return core[0]
    if len(matching) > 1:
        names = ", ".join(t.qualified for t in matching)
        raise InstallError(f'"{name}" is the name of several types: {names}', "give one of these")
    if not matching:
        raise InstallError(f'Unable to find api resource named "{name}"', "kubectl api-resources lists them")
    return matching[0]


async def described(client: Client, served: ServedType) -> TargetType:
    """`served`, with what its schema says: of its CRD, or of the server's own description. Raises InstallError."""
    schema = await _schema(client, served)
    return TargetType(
        served.group,
        served.version,
        served.kind,
        served.plural,
        served.namespaced,
        served.short_names,
        scalable=schema is not None and _is_scalable(schema),
        described=schema is not None,
    )


async def _schema(client: Client, served: ServedType) -> Json | None:
    """`properties` of the type; None when its CRD says nothing of them."""
    if served.group:
        try:
            crd = (await client.get(CRDS, served.qualified)).body()
        except NotFound:
            return await _own_schema(client, served)
        version = next(v for v in crd["spec"]["versions"] if v["name"] == served.version)
        properties: Json | None = ((version.get("schema") or {}).get("openAPIV3Schema") or {}).get("properties")
        return properties
    return await _own_schema(client, served)


async def _own_schema(client: Client, served: ServedType) -> Json:
    """With `spec` resolved, which is all that is looked into."""
    where = f"apis/{served.group}/{served.version}" if served.group else f"api/{served.version}"
    wanted = {"group": served.group, "version": served.version, "kind": served.kind}
    try:
        schemas: Json = (await client.request("GET", f"/openapi/v3/{where}"))["components"]["schemas"]
    except NotFound:
        schemas = {}
    for schema in schemas.values():
        if wanted in (schema.get(GROUP_VERSION_KIND) or ()):
            properties: Json = dict(schema.get("properties") or {})
            if "spec" in properties:
                properties["spec"] = _resolved(properties["spec"], schemas)
            return properties
    raise InstallError(f"the server describes no {served.kind} of {where.partition('/')[2]} in its OpenAPI documents")


def _resolved(schema: Json, schemas: Json) -> Json:
    reference = next((part["$ref"] for part in (schema, *schema.get("allOf", ())) if "$ref" in part), "")
    if not reference:
        return schema
    found: Json = schemas.get(reference.rpartition("/")[2]) or {}
    return found


def _is_scalable(properties: Json) -> bool:
    replicas: Any = ((properties.get("spec") or {}).get("properties") or {}).get("replicas") or {}
    return (replicas.get("type"), replicas.get("format")) == ("integer", "int32")


async def existing(client: Client, resource: Resource, name: str, namespace: str = "") -> Object | None:
    """The object, if it is there. Raises other KubeErrors than NotFound."""
    try:
        return await client.get(resource, name, namespace)
    except NotFound:
        return None
