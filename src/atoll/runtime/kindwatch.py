"""The watch of one kind: of the whole cluster, or of single namespaces, each by itself."""

import asyncio
from collections.abc import Iterator, Mapping

from atoll.api.objects import ObjectId
from atoll.kube.errors import Forbidden, KubeError, Unauthorized
from atoll.kube.objects import Object, Resource
from atoll.runtime.informer import Informer

REFUSALS = (Unauthorized, Forbidden)
"""Waiting doesn't help, though the informers go on trying."""


class KindWatch:
    """Informers by namespace; "" is all namespaces, or none for a cluster-scoped kind."""

    def __init__(self, resource: Resource, informers: Mapping[str, Informer[Object]]) -> None:
        self.resource = resource
        self.tasks: tuple[asyncio.Task[None], ...] = ()
        self._informers = informers

    @property
    def fresh(self) -> bool:
        """Whether everything is known, and followed now."""
        return all(informer.fresh for informer in self._informers.values())

    @property
    def error(self) -> KubeError | None:
        """What stands in the way, of one namespace that isn't followed."""
        return next((i.last_error for i in self._informers.values() if i.last_error is not None), None)

    def part(self, namespace: str) -> Informer[Object] | None:
        """The informer that brings the objects of `namespace`; None when none does."""
        return self._informers.get("" if "" in self._informers else namespace)

    def get(self, identity: ObjectId) -> Object | None:
        informer = self.part(identity.namespace)
        return None if informer is None else informer.get(identity)

    def unlisted(self) -> Iterator[tuple[str, KubeError | None]]:
        """The namespaces that aren't followed now, and why."""
        return ((name, i.last_error) for name, i in self._informers.items() if not i.fresh)

    def refusal(self) -> KubeError | None:
        """The refusal, when all that was asked for is refused."""
        refused = [i.last_error for i in self._informers.values() if isinstance(i.last_error, REFUSALS)]
        return refused[0] if len(refused) == len(self._informers) else None

    def pending(self) -> Informer[Object] | None:
        """One that has neither been listed nor refused."""
        informers = self._informers.values()
        return next((i for i in informers if not i.synced and not isinstance(i.last_error, REFUSALS)), None)

    @property
    def synced(self) -> bool:
        """Whether all was listed once, but for what is refused."""
        return self.pending() is None and any(informer.synced for informer in self._informers.values())

    def cancel(self) -> None:
        for task in self.tasks:
            task.cancel()
