"""From an Application object on the hub to an intent: read, validate, gather what it selects, translate."""

from collections.abc import Callable, Hashable, Iterable, Mapping

import msgspec

from atoll.api.application import Application
from atoll.api.checks.manifests import NAMESPACE
from atoll.api.intent import Content, Revision
from atoll.api.names import LABEL_REACH, SYSTEM_NAMESPACE
from atoll.api.objects import GroupKind, Json, Key, Manifest, identify, split_api_version
from atoll.api.status import ApplicationStatus
from atoll.api.validate import Issue, validate
from atoll.hub.front import Reading
from atoll.hub.scopes import Scopes
from atoll.hub.selected import SelectedObjects
from atoll.intake.native import translate
from atoll.intake.serverset import drop_bookkeeping
from atoll.kube.client import Client
from atoll.kube.errors import Forbidden, KindNotServed, KubeError
from atoll.kube.objects import Object
from atoll.runtime.informer import PASSING

UNREVISED = Revision(0, "", 0)
NO_STATUS = ApplicationStatus()
MAY_NOT_SEE = "binding ClusterRole atoll-select in this namespace gives the hub that right"


class Intents:
    """Reads native Applications."""

    def __init__(
        self,
        hub: Client,
        scopes: Scopes,
        selected: SelectedObjects,
        namespace: Callable[[str], Object | None],
        clusters: Callable[[], frozenset[str]],
        members: Callable[[], Iterable[Client]],
        with_defaults: Callable[[Json, str], Json] = lambda body, _: body,
        defaults_versions: Callable[[str], Hashable] = lambda _: None,
    ) -> None:
        self._hub = hub
        self._scopes = scopes
        self._selected = selected
        self._namespace = namespace
        self._clusters = clusters
        self._members = members
        self._with_defaults = with_defaults
        self._defaults_versions = defaults_versions

    async def read(self, live: Object) -> Reading:
        """Translate `live`; without an intent, an issue is an error. Raises KubeError when what it selects can't be
        read for the moment.
        """
        body = self._with_defaults(believed(live.body()), live.namespace)
        await self._scopes.learn(kinds_of(body), (self._hub, *self._members()))
        reach = self._reaches(live.namespace)
        issues = self._validate(body, reach=reach)
        if any(i.severity == "error" for i in issues):
            return _reading(lenient(live), issues)
        app = msgspec.convert(body, Application)
        try:
            chosen = await self._select(app)
        except KindNotServed as error:
            return _reading(app, (*issues, Issue("spec.select", f"{error}: the hub doesn't serve it", "error")))
        except Forbidden as error:
            return _reading(app, (*issues, Issue("spec.select", f"{error}; {MAY_NOT_SEE}", "error")))
        except KubeError as error:
            if isinstance(error, PASSING):
                raise
            return _reading(app, (*issues, Issue("spec.select", f"the hub can't list it: {error}", "error")))
        if chosen:
            issues = self._validate(body, reach=reach, selected=chosen)
        issues = (*issues, *self._missing(app, chosen))
        if any(i.severity == "error" for i in issues):
            return _reading(app, issues)
        intent = translate(app, selected=chosen, scopes=self._scopes, revision=UNREVISED)
        lasting = not app.spec.select and all(self._scopes(m.id.group_kind) is not None for m in intent.manifests)
        return Reading(app.status, issues, intent, with_neither(app), lasting)

    async def admits(self, key: Key, content: Content) -> bool:
        """Whether these objects are ones that an Application of this key's namespace may have, as its reach is now, and
        as `translate` makes them: who may write Secrets in that namespace may have written them.
        """
        await self._scopes.learn({m.id.group_kind for m in content.manifests}, (self._hub, *self._members()))
        reach = self._reaches(key.namespace)
        return all(self._admitted(m, "" if reach else key.namespace) for m in content.manifests)

    def _admitted(self, manifest: Manifest, within: str) -> bool:
        """`within`: the namespace in which all must be; "" where it may be any."""
        this = manifest.id
        if SYSTEM_NAMESPACE in (this.namespace, this.name if this.group_kind == NAMESPACE else ""):
            return False
        if within and (this.namespace != within or self._scopes(this.group_kind) is False):
            return False
        return drop_bookkeeping(manifest.body) is manifest.body

    def ground(self, namespace: str) -> Hashable:
        """All beyond an Application in `namespace` itself on which a lasting reading of it rests."""
        return self._reaches(namespace), self._clusters(), self._defaults_versions(namespace)

    def orphans_ground(self, live: Object) -> Hashable:
        """All on which `orphans` rests."""
        return live.uid, live.resource_version, self._defaults_versions(live.namespace)

    def orphans(self, live: Object) -> bool:
        """Whether its objects stay when it goes."""
        spec = self._with_defaults(live.body(), live.namespace).get("spec")
        return isinstance(spec, dict) and spec.get("deletion") == "orphan"

    def _validate(
        self, body: Json, *, reach: bool, selected: Mapping[int, tuple[Json, ...]] | None = None
    ) -> tuple[Issue, ...]:
        return validate(
            body,
            known_clusters=self._clusters(),
            scopes=self._scopes,
            reach=reach,
            selected=selected,
            defaults=True,
        )

    def _reaches(self, namespace: str) -> bool:
        found = self._namespace(namespace)
        return found is not None and found.labels.get(LABEL_REACH) == "cluster"

    async def _select(self, app: Application) -> Mapping[int, tuple[Json, ...]]:
        return {
            index: tuple(o.body() for o in await self._selected.find(app.metadata.namespace, select))
            for index, select in enumerate(app.spec.select)
        }

    @staticmethod
    def _missing(app: Application, chosen: Mapping[int, tuple[Json, ...]]) -> tuple[Issue, ...]:
        """A select that finds nothing: an error when it names one object, which may be on its way."""
        return tuple(
            Issue(
                f"spec.select[{index}]",
                f"{select.kind} {select.name} does not exist in namespace {app.metadata.namespace} of the hub"
                if select.name
                else f"no {select.kind} in namespace {app.metadata.namespace} of the hub has these labels",
                "error" if select.name else "warning",
            )
            for index, select in enumerate(app.spec.select)
            if not chosen[index]
        )


def kinds_of(body: Json) -> frozenset[GroupKind]:
    """The kinds that an Application's manifests and selects name."""
    spec = body.get("spec") or {}
    manifests = [m for m in spec.get("manifests") or () if isinstance(m, dict)]
    selects = [s for s in spec.get("select") or () if isinstance(s, dict)]
    return frozenset(identify(m).group_kind for m in manifests) | frozenset(
        GroupKind(split_api_version(str(s.get("apiVersion", "")))[0], str(s.get("kind", ""))) for s in selects
    )


def _reading(app: Application | None, issues: tuple[Issue, ...]) -> Reading:
    return Reading(app.status if app is not None else None, issues, app=app)


def believed(body: Json) -> Json:
    """`body`, without a status that isn't of its form: it is ours, and the API server lets pass whatever is written."""
    try:
        msgspec.convert(body.get("status", {}), ApplicationStatus)
    except msgspec.ValidationError:
        return {name: part for name, part in body.items() if name != "status"}
    return body


def with_neither(app: Application) -> Application:
    """`app` without its manifests and its status, which a reading holds apart: neither is kept twice."""
    return msgspec.structs.replace(app, spec=msgspec.structs.replace(app.spec, manifests=()), status=NO_STATUS)


def lenient(live: Object) -> Application | None:
    """The Application with its status, its spec emptied when it can't be read."""
    body = believed(live.body())
    for candidate in (body, body | {"spec": {}}):
        try:
            return msgspec.convert(candidate, Application)
        except msgspec.ValidationError:
            continue
    return None
