"""The metrics, all in one place. Names follow Prometheus' conventions; times are seconds."""

from collections.abc import Iterable
from typing import Any, TypeVar

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase

from atoll.runtime.meter import Meter

OUTCOMES = ("done", "wait", "retry", "stalled", "fatal")
APPLY_RESULTS = ("applied", "unchanged", "conflict", "refused", "failed", "deleted")
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

T = TypeVar("T", bound=MetricWrapperBase)


class Metrics(Meter):
    """All metrics of one process, in `registry`; `cluster` is a member's name, "" for the hub's own."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.registry = registry
        self._known: dict[tuple[MetricWrapperBase, tuple[str, ...]], Any] = {}
        self._queue_keys = Gauge("atoll_queue_keys", "Keys that wait.", ["queue"], registry=registry)
        self._reconciles = Counter(
            "atoll_reconciles", "Reconciles by outcome.", ["controller", "outcome"], registry=registry
        )
        self._reconcile_seconds = Histogram(
            "atoll_reconcile_seconds", "Time of one reconcile.", ["controller"], buckets=SECONDS, registry=registry
        )
        self._watch_restarts = Counter(
            "atoll_watch_restarts",
            "Lists and watches that broke, by cause.",
            ["cluster", "kind", "cause"],
            registry=registry,
        )
        self._informer_objects = Gauge(
            "atoll_informer_objects", "Objects in the copies of a kind.", ["cluster", "kind"], registry=registry
        )
        self._applies = Counter(
            "atoll_applies", "Writes to members by result.", ["cluster", "result"], registry=registry
        )
        self._apply_seconds = Histogram(
            "atoll_apply_seconds", "Time of one write to a member.", ["cluster"], buckets=SECONDS, registry=registry
        )
        self._cluster_up = Gauge(
            "atoll_cluster_up", "1 while the cluster can be reached.", ["cluster"], registry=registry
        )
        self._cluster_seconds = Gauge(
            "atoll_cluster_heartbeat_seconds", "Round trip of the last heartbeat.", ["cluster"], registry=registry
        )
        self._cluster_beat = Gauge(
            "atoll_cluster_last_heartbeat_timestamp_seconds",
            "When the last heartbeat was answered.",
            ["cluster"],
            registry=registry,
        )

    def text(self) -> bytes:
        """What /metrics answers, in Prometheus' text format."""
        return generate_latest(self.registry)

    # Known labels exist from the start, so that a rate over them has a beginning.

    def expect_controllers(self, names: Iterable[str]) -> None:
        """Show these controllers, and their queues of the same names, with zeros."""
        for name in names:
            self._queue_keys.labels(name)
            self._reconcile_seconds.labels(name)
            for outcome in OUTCOMES:
                self._reconciles.labels(name, outcome)

    def expect_cluster(self, name: str) -> None:
        """Show this cluster, as down and with zeros, before anything is known of it."""
        self._cluster_up.labels(name)
        self._apply_seconds.labels(name)
        for result in APPLY_RESULTS:
            self._applies.labels(name, result)

    def cluster_left(self, name: str) -> None:
        """A cluster is no longer in the fleet: its figures go."""
        families: tuple[MetricWrapperBase, ...] = (
            self._watch_restarts,
            self._informer_objects,
            self._applies,
            self._apply_seconds,
            self._cluster_up,
            self._cluster_seconds,
            self._cluster_beat,
        )
        for family in families:
            family.remove_by_labels({"cluster": name})
        for known in [key for key in self._known if key[0] in families and key[1][0] == name]:
            del self._known[known]

    def _of(self, family: T, *labels: str) -> T:
        """The one of `family` with these labels: `labels()` itself takes several times as long."""
        found: T | None = self._known.get((family, labels))
        if found is None:
            found = self._known[family, labels] = family.labels(*labels)
        return found

    # The runtime's Meter.

    def queue_depth(self, queue: str, depth: int) -> None:
        self._of(self._queue_keys, queue).set(depth)

    def reconciled(self, controller: str, outcome: str, seconds: float) -> None:
        self._of(self._reconciles, controller, outcome).inc()
        self._of(self._reconcile_seconds, controller).observe(seconds)

    def watch_restarted(self, scope: str, kind: str, reason: str) -> None:
        self._of(self._watch_restarts, scope, kind, reason).inc()

    def informer_objects(self, scope: str, kind: str, more: int) -> None:
        if more > 0 or (self._informer_objects, (scope, kind)) in self._known:  # what ends after its cluster has left
            self._of(self._informer_objects, scope, kind).inc(more)

    # Clusters.

    def cluster_up(self, name: str, up: bool) -> None:
        self._of(self._cluster_up, name).set(1 if up else 0)

    def cluster_latency(self, name: str, seconds: float) -> None:
        """A heartbeat was answered just now, after `seconds`."""
        self._of(self._cluster_seconds, name).set(seconds)
        self._of(self._cluster_beat, name).set_to_current_time()

    def applied(self, cluster: str, result: str, seconds: float | None = None) -> None:
        """One write to a member: `result` is one of APPLY_RESULTS, or a word that says more."""
        self._of(self._applies, cluster, result).inc()
        if seconds is not None:
            self._of(self._apply_seconds, cluster).observe(seconds)
