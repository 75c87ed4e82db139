"""Which workloads an autoscaler on the member scales. Asked only when replicas differ, never watched."""

import time

import msgspec

from atoll.api.objects import GroupKind, Json
from atoll.deliver.gate import Gate
from atoll.kube.client import Client
from atoll.kube.errors import Forbidden, KindNotServed, NotFound
from atoll.kube.objects import Resource

HPA = GroupKind("autoscaling", "HorizontalPodAutoscaler")
_RESOURCE = Resource("autoscaling", "v2", HPA.kind, "horizontalpodautoscalers")
REMEMBER = 2.0
"""Seconds for which one namespace's answer holds: many workloads of one delivery share it."""
Scaled = tuple[str, str, str]
"""Namespace, kind and name of a workload."""


class _Ref(msgspec.Struct):
    kind: str = ""
    name: str = ""


class _Spec(msgspec.Struct):
    scale_target_ref: _Ref = msgspec.field(default_factory=_Ref, name="scaleTargetRef")


class _Hpa(msgspec.Struct):
    spec: _Spec = msgspec.field(default_factory=_Spec)


def target_of(body: Json, namespace: str) -> Scaled:
    """What the autoscaler `body` scales."""
    ref = msgspec.convert(body, _Hpa, strict=False).spec.scale_target_ref
    return namespace, ref.kind, ref.name


class Autoscalers:
    """Of one member."""

    def __init__(self, client: Client, gate: Gate) -> None:
        self._client = client
        self._gate = gate
        self._answers: dict[str, tuple[float, frozenset[Scaled]]] = {}

    async def scales(self, workload: Scaled) -> bool:
        """Whether an autoscaler targets `workload` now. Where that may not be read, or isn't served, none does.

        Raises KubeError when it can't be told now.
        """
        namespace = workload[0]
        asked, found = self._answers.get(namespace, (0.0, frozenset()))
        if time.monotonic() - asked > REMEMBER:
            try:
                listing = await self._gate.send(lambda: self._client.list(_RESOURCE, namespace))
            except (Forbidden, NotFound, KindNotServed):
                listing = None
            items = listing.items if listing else ()
            found = frozenset(target_of(hpa.body(), namespace) for hpa in items)
            self._answers[namespace] = time.monotonic(), found
        return workload in found
