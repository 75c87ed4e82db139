"""The ApplicationDefaults of the hub, watched: what holds in a namespace, and whom a change concerns."""

from collections.abc import Callable, Iterable

from atoll.api.defaults import NAME, with_defaults
from atoll.api.names import GROUP, SYSTEM_NAMESPACE
from atoll.api.objects import Json, Key, ObjectId
from atoll.kube.objects import Object
from atoll.runtime.informer import Change, Informer


class Defaults:
    """Reads the watch `found`; `wake(key)` asks to plan an Application again."""

    def __init__(self, found: Informer[Object], applications: Informer[Object], wake: Callable[[Key], None]) -> None:
        self._found = found
        self._applications = applications
        self._wake = wake

    def applied(self, body: Json, namespace: str) -> Json:
        """The Application as it is with what its namespace's defaults say, then everybody's."""
        return with_defaults(body, *self._specs((namespace, SYSTEM_NAMESPACE)))

    def changed(self, change: Change[Object]) -> None:
        everybody = change.id.namespace == SYSTEM_NAMESPACE
        for application in self._applications.values():
            if everybody or application.namespace == change.id.namespace:
                self._wake(Key(application.namespace, application.name))

    def _specs(self, namespaces: Iterable[str]) -> Iterable[Json]:
        for namespace in namespaces:
            live = self._found.get(ObjectId(GROUP, "ApplicationDefaults", namespace, NAME))
            if live is not None:
                yield live.body().get("spec") or {}
