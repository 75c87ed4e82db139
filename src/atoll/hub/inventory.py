"""An Aware that notices what is on a member: objects of applications nobody planned there, or of none at all."""

import asyncio
from collections.abc import Callable

from atoll.api.names import LABEL_APP
from atoll.fleet.member import Member
from atoll.kube.objects import Object
from atoll.runtime.informer import Change


class Inventory:
    """Calls `found(cluster, application_uid)` for each labelled object that appears on a member, goes from it, or
    passes from one application to another.
    """

    def __init__(self, found: Callable[[str, str], None]) -> None:
        self._found = found

    async def engage(self, cluster: Member) -> None:
        def tell(change: Change[Object]) -> None:
            before, after = _owner(change.old), _owner(change.new)
            if before != after:
                for owner in (before, after):
                    if owner is not None:
                        self._found(cluster.name, owner)

        unsubscribe = cluster.watches.subscribe(tell)
        try:
            await asyncio.Event().wait()
        finally:
            unsubscribe()


def _owner(live: Object | None) -> str | None:
    return None if live is None else live.labels.get(LABEL_APP, "")
