"""What Pods take of a cluster's nodes, and which find no node: only its node, requests and phase are kept of each."""

from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from atoll.api.cluster import Resources
from atoll.api.objects import ObjectId
from atoll.api.rooms import Amounts
from atoll.kube.objects import Object
from atoll.kube.podrequests import CPU, pod_requests
from atoll.runtime.informer import Change

FINISHED = frozenset({"Succeeded", "Failed"})
_SAME: dict[Amounts, Amounts] = {}
MOST_SAME = 10_000


class Workload(NamedTuple):
    """Whose Pods they are: the Deployment, StatefulSet or Job, by the names that Kubernetes gives what it makes."""

    namespace: str
    name: str


class PodUse(msgspec.Struct, frozen=True):
    """What is kept of a Pod. `waits_since`: since when no node takes it, epoch seconds; 0 when that isn't so."""

    node: str = ""
    requests: Amounts = ()
    workload: Workload = Workload("", "")
    waits_since: float = 0.0


NONE = PodUse()


class PodSum:
    """All Pods of a cluster, summed up change by change."""

    def __init__(self) -> None:
        self.by_node: dict[str, dict[str, int]] = {}
        self.counts: dict[str, int] = {}
        self._total: dict[str, int] = {}
        self._waiting: dict[Workload, dict[ObjectId, float]] = {}

    def change(self, change: Change[PodUse]) -> None:
        self._add(change.old or NONE, -1)
        self._add(change.new or NONE, 1)
        self._wait(change.id, change.old or NONE, change.new or NONE)

    @property
    def total(self) -> Resources:
        cpu, memory = self._total.get(CPU, 0), self._total.get("memory", 0)
        return Resources(cpu / 1000, memory, sum(self.counts.values()))

    @property
    def waiting(self) -> dict[Workload, tuple[float, ...]]:
        """By workload, since when each of its Pods that no node takes waits."""
        return {workload: tuple(sorted(pods.values())) for workload, pods in self._waiting.items()}

    def _add(self, use: PodUse, sign: int) -> None:
        if not use.node:
            return
        node = self.by_node.setdefault(use.node, {})
        for name, value in use.requests:
            node[name] = node.get(name, 0) + sign * value
            self._total[name] = self._total.get(name, 0) + sign * value
        self.counts[use.node] = self.counts.get(use.node, 0) + sign
        if not self.counts[use.node]:
            del self.counts[use.node], self.by_node[use.node]

    def _wait(self, about: ObjectId, old: PodUse, new: PodUse) -> None:
        if old.waits_since and (pods := self._waiting.get(old.workload)):
            pods.pop(about, None)
            if not pods:
                del self._waiting[old.workload]
        if new.waits_since:
            self._waiting.setdefault(new.workload, {})[about] = new.waits_since


def pod_use(pod: Object) -> PodUse:
    """What a Pod takes of its node: nothing before it is bound and after it has finished."""
    body = pod.body()
    spec, status = body.get("spec") or {}, body.get("status") or {}
    if status.get("phase") in FINISHED:
        return NONE
    node = spec.get("nodeName") or ""
    since = 0.0 if node else _waits_since(status)
    if not node and not since:
        return NONE
    requests: Amounts = tuple(sorted(pod_requests(spec).items())) if node else ()
    if len(_SAME) < MOST_SAME:
        requests = _SAME.setdefault(requests, requests)
    return PodUse(node, requests, _workload(pod, body) if since else NONE.workload, since)


def _waits_since(status: dict[str, Any]) -> float:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            try:
                return datetime.fromisoformat(str(condition.get("lastTransitionTime"))).timestamp()
            except ValueError:
                return 0.0
    return 0.0


def _workload(pod: Object, body: dict[str, Any]) -> Workload:
    """A ReplicaSet's Pods are its Deployment's: its name is the Deployment's with the template's hash."""
    owners = (body.get("metadata") or {}).get("ownerReferences") or ()
    owner = next((o for o in owners if o.get("controller")), None)
    name = str(owner.get("name")) if owner is not None else pod.name
    return Workload(pod.namespace, name.removesuffix(f"-{pod.labels.get('pod-template-hash')}"))
