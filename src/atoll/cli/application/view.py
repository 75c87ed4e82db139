"""An Application as commands look at it: whatever its spec says, the status can be read."""

import msgspec

from atoll.api.common import Condition
from atoll.api.objects import Json
from atoll.api.status import ApplicationStatus
from atoll.kube.objects import Object


class View(msgspec.Struct, frozen=True):
    """One Application. `spec` is as the hub has it; `status` is empty where it can't be read."""

    namespace: str
    name: str
    uid: str
    generation: int
    created: str
    deleting: bool
    labels: dict[str, str]
    annotations: dict[str, str]
    spec: Json
    status: ApplicationStatus

    def condition(self, kind: str) -> Condition | None:
        return next((c for c in self.status.conditions if c.type == kind), None)

    @property
    def current(self) -> bool:
        """The status is about what the user wrote last."""
        return self.status.observed_generation >= self.generation

    @property
    def ready(self) -> bool:
        """Everything is applied and healthy, in the form that the user wrote last."""
        condition = self.condition("Ready")
        return self.current and condition is not None and condition.status == "True"

    @property
    def state(self) -> str:
        """One word: Ready, or why not."""
        if self.deleting:
            return "Deleting"
        condition = self.condition("Ready")
        if condition is None:
            return "Pending"
        return "Ready" if condition.status == "True" else condition.reason or "NotReady"

    @property
    def message(self) -> str:
        """Why it isn't ready, in the hub's words."""
        for kind, wanted in (("Accepted", "True"), ("Stalled", "False"), ("Placed", "True"), ("Ready", "True")):
            condition = self.condition(kind)
            if condition is not None and condition.status != wanted and condition.message:
                return condition.message
        return ""

    @property
    def placed(self) -> tuple[str, ...]:
        """The clusters that it is on, or on its way to or from."""
        names = [*(p.cluster for p in self.status.placement), *(row.name for row in self.status.clusters)]
        return tuple(dict.fromkeys(names))


class _Status(msgspec.Struct):
    status: ApplicationStatus = ApplicationStatus()


def read_view(item: Object) -> View:
    try:
        status = item.read(_Status).status
    except msgspec.ValidationError:  # a newer hub's
        status = ApplicationStatus()
    spec = item.body().get("spec") or {}
    return View(
        item.namespace,
        item.name,
        item.uid,
        item.generation,
        item.created,
        item.deleting,
        item.labels,
        item.annotations,
        spec,
        status,
    )
