"""An Aware that notices what is on a member: objects of applications nobody planned there, or of none at all."""

import asyncio
from collections.abc import Callable

from atoll.api.names import LABEL_APP
from atoll.fleet.member import Member
from atoll.kube.objects import Object
from atoll.runtime.informer import Change


class Inventory:
    """Calls `found(cluster, application_uid)` for each labelled object that appears on a member or goes from it."""

    def __init__(self, found: Callable[[str, str], None]) -> None:
        self._found = found

    async def engage(self, cluster: Member) -> None:
        def tell(change: Change[Object]) -> None:
            if change.new is None or change.old is None:
                subject = change.new or change.old
                if subject is not None:
                    self._found(cluster.name, subject.labels.get(LABEL_APP, ""))

        unsubscribe = cluster.watches.subscribe(tell)
        try:
            await asyncio.Event().wait()
        finally:
            unsubscribe()
