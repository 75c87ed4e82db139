"""The ApplicationDefaults of the hub, watched: what holds in a namespace, and whom a change concerns."""

from collections.abc import Callable, Iterable

from atoll.api.defaults import NAME, with_defaults
from atoll.api.names import GROUP, SYSTEM_NAMESPACE
from atoll.api.objects import Json, Key, ObjectId
from atoll.kube.client import Client
from atoll.kube.objects import Object
from atoll.kube.resources import APPLICATIONDEFAULTS as KIND
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

    def versions(self, namespace: str) -> tuple[str, ...]:
        """Of what `applied` takes from."""
        return tuple(live.uid + live.resource_version for live in self._lives((namespace, SYSTEM_NAMESPACE)))

    async def asked(self, client: Client, body: Json, namespace: str) -> Json:
        """The same, from the API server: what came with the Application the watch may not have brought yet."""
        found = [live for place in (namespace, SYSTEM_NAMESPACE) for live in (await client.list(KIND, place)).items]
        return with_defaults(body, *(live.body().get("spec") or {} for live in found if live.name == NAME))

    def changed(self, change: Change[Object]) -> None:
        everybody = change.id.namespace == SYSTEM_NAMESPACE
        for application in self._applications.values():
            if everybody or application.namespace == change.id.namespace:
                self._wake(Key(application.namespace, application.name))

    def _specs(self, namespaces: Iterable[str]) -> Iterable[Json]:
        return (live.body().get("spec") or {} for live in self._lives(namespaces))

    def _lives(self, namespaces: Iterable[str]) -> Iterable[Object]:
        found = (self._found.get(ObjectId(GROUP, "ApplicationDefaults", place, NAME)) for place in namespaces)
        return (live for live in found if live is not None)
