"""What every check is given: the Application, its objects, and what is known of the fleet."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from atoll.api.application import Application
from atoll.api.objects import GroupKind, Json, ObjectId, identify
from atoll.api.scopes import Scopes


class Placed(NamedTuple):
    """One object of the Application: where it is written, and which object it will be."""

    path: str
    body: Json
    id: ObjectId


class Case(NamedTuple):
    """`complete` says that `objects` are all there are: none are selected, or those are known too."""

    app: Application
    body: Json
    objects: tuple[Placed, ...]
    complete: bool
    clusters: Collection[str] | None
    scopes: Scopes
    reach: bool
    defaults: bool = False
    """What the namespace's ApplicationDefaults say is filled in."""

    @property
    def namespace(self) -> str:
        return self.app.metadata.namespace or "default"

    def inline(self) -> Iterator[Placed]:
        return (placed for placed in self.objects if placed.path.startswith("spec.manifests["))


def make_case(
    app: Application,
    body: Json,
    *,
    selected: Mapping[int, Sequence[Json]] | None,
    clusters: Collection[str] | None,
    scopes: Scopes,
    reach: bool,
    defaults: bool = False,
) -> Case:
    scopes = _with_own_kinds(app, scopes)
    namespace = app.metadata.namespace or "default"
    found = [(f"spec.manifests[{index}]", manifest) for index, manifest in enumerate(app.spec.manifests)]
    for index, chosen in (selected or {}).items():
        found += [(f"spec.select[{index}]", manifest) for manifest in chosen]
    objects = tuple(Placed(path, manifest, _identity(manifest, namespace, scopes)) for path, manifest in found)
    complete = not app.spec.select or selected is not None
    return Case(app, body, objects, complete, clusters, scopes, reach, defaults)


def _identity(body: Json, namespace: str, scopes: Scopes) -> ObjectId:
    """As `identify`, with the namespace that the object will get."""
    metadata = body.get("metadata")
    found = identify(body if isinstance(metadata, dict) or metadata is None else body | {"metadata": {}})
    if scopes(found.group_kind) is False:
        return found._replace(namespace="")
    return found if found.namespace else found._replace(namespace=namespace)


def _with_own_kinds(app: Application, scopes: Scopes) -> Scopes:
    """A CustomResourceDefinition among the manifests says the scope of its kind before anybody serves it."""
    own: dict[GroupKind, bool] = {}
    for manifest in app.spec.manifests:
        spec = manifest.get("spec")
        if manifest.get("kind") != "CustomResourceDefinition" or not isinstance(spec, dict):
            continue
        names = spec.get("names")
        if isinstance(names, dict):
            own[GroupKind(str(spec.get("group")), str(names.get("kind")))] = spec.get("scope") != "Cluster"
    return (lambda kind: own[kind] if kind in own else scopes(kind)) if own else scopes
