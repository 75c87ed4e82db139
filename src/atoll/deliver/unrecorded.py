"""A member without our record of it (`applyset`): nothing was ever delivered there, or somebody took the record away.

Which of both it is, only the objects can tell. They are looked for once, in every kind that the member serves, when
something is to be removed that was not delivered since contact was made: it would stay, and be called gone. So are they
when one is met that was not made since: where it is, what is left out or to be removed may be, too.
"""

import asyncio
from functools import partial

import structlog

from atoll.api.names import LABEL_HUB
from atoll.api.objects import GroupKind
from atoll.deliver.applyset import ApplySet
from atoll.deliver.gate import Gate
from atoll.deliver.together import together
from atoll.kube.client import Client
from atoll.kube.errors import Forbidden, KubeError, NotFound
from atoll.kube.objects import Resource

log = structlog.get_logger(__name__)

LISTED = frozenset({"list", "watch", "patch"})
"""What a kind must allow to be delivered. What is only counted or computed, as metrics are, doesn't."""


class Unrecorded:
    """Puts back on record what of ours is on one member. `namespaces` are the only ones that may be read, if any."""

    def __init__(self, client: Client, gate: Gate, applyset: ApplySet, namespaces: tuple[str, ...], hub: str) -> None:
        self._client = client
        self._gate = gate
        self._applyset = applyset
        self._namespaces = namespaces
        self._labels = f"{LABEL_HUB}={hub}"
        self._looking = asyncio.Lock()
        self.suspected = asyncio.Event()
        """The record was there, and is lost."""

    async def found(self) -> str:
        """Why it isn't known what is there without being on record; "" when it is, and on record. Asks once."""
        async with self._looking:
            if not self._applyset.missing:
                return ""
            try:
                await self._look()
            except KubeError as error:
                return str(error)
            self._applyset.missing = False
            return ""

    async def _look(self) -> None:
        kinds, namespaces, failed = set[GroupKind](), set[str](), list[KubeError]()

        async def look(resource: Resource) -> None:
            for namespace in (self._namespaces if resource.namespaced else ()) or ("",):
                try:
                    listing = await self._gate.send(
                        partial(self._client.list, resource, namespace, labels=self._labels)
                    )
                except (Forbidden, NotFound):  # what may not be read was never delivered
                    continue
                except KubeError as error:
                    failed.append(error)
                    return
                namespaces.update(live.namespace for live in listing.items)
                kinds.update(live.group_kind for live in listing.items)

        served = [resource for resource in await self._client.discovery.all() if resource.verbs >= LISTED]
        await together(served, look)
        if failed:
            raise failed[0]
        if kinds:
            log.warning("the record of what is here was lost", kinds=sorted(map(str, kinds)))
            await self._applyset.cover(kinds, namespaces)
