"""What KubeFed left on members: taken over where a federated object wants it, and no longer managed where none does."""

import asyncio
from collections.abc import Callable, Iterable

from atoll.api.kubefed.names import LABEL_MANAGED, MANAGED, Propagation, Reason
from atoll.api.objects import ObjectId
from atoll.deliver.deliverer import Deliverer
from atoll.deliver.heirs import Verdict
from atoll.hub.kubefed.federation import Federation
from atoll.hub.kubefed.front import FederatedFront
from atoll.intake.kubefed.translate import orphaned

TOGETHER = 0.3
"""Seconds in which what is read of many objects is settled together."""


class Heritage:
    """Decides about objects with KubeFed's label and no mark of ours. `fronts()` are the types at work."""

    def __init__(
        self, deliverer: Deliverer, federation: Federation, fronts: Callable[[], Iterable[FederatedFront]]
    ) -> None:
        self._deliverer = deliverer
        self._federation = federation
        self._fronts = fronts
        self._timer: asyncio.TimerHandle | None = None

    def settle(self) -> None:
        """There are other types, other objects, or they go elsewhere: decide anew, soon."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TOGETHER, self._settle)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _settle(self) -> None:
        self._timer = None
        kinds = [front.target for front in self._fronts()]
        self._deliverer.inherit({LABEL_MANAGED: MANAGED}, kinds, self.decide)

    def decide(self, cluster: str, about: ObjectId) -> Verdict:
        """What becomes of `about` on `cluster`: of what isn't known, nothing."""
        front = next((front for front in self._fronts() if front.target == about.group_kind), None)
        if front is None or cluster not in self._federation.clusters() or not self._ours(front, about):
            return "keep"
        live = front.federated(about)
        if live is None:
            return "unmark"
        gone: Verdict = "unmark" if front.of_namespaces and self._federation.at_home(cluster) else "delete"
        if live.deleting:
            return "unmark" if orphaned(live.annotations) else gone
        said = front.said(live.uid)
        unread = said is None or said.ignored or said.word != Propagation.OK
        if unread or said is None or said.reason == Reason.COMPUTE_PLACEMENT_FAILED or cluster in said.chosen:
            return "keep"
        return gone

    def _ours(self, front: FederatedFront, about: ObjectId) -> bool:
        """Whether it is this control plane's business."""
        namespace = about.name if front.of_namespaces else about.namespace
        if front.of_namespaces and self._federation.never_federated(namespace):
            return False
        return not self._federation.settings.limited or namespace == self._federation.settings.namespace
