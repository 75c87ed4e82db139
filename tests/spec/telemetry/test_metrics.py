"""Metrics that are known beforehand exist from the start, and those of a cluster go with it."""

from prometheus_client import CollectorRegistry

from atoll.telemetry import Metrics
from atoll.telemetry.prometheus import APPLY_RESULTS, OUTCOMES


def test_known_labels_start_at_zero() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.expect_controllers(["application"])
    metrics.expect_cluster("eu-1")
    text = metrics.text().decode()
    assert 'atoll_queue_keys{queue="application"} 0.0' in text
    for outcome in OUTCOMES:
        assert f'atoll_reconciles_total{{controller="application",outcome="{outcome}"}} 0.0' in text
    for result in APPLY_RESULTS:
        assert f'atoll_applies_total{{cluster="eu-1",result="{result}"}} 0.0' in text
    assert 'atoll_cluster_up{cluster="eu-1"} 0.0' in text


def test_what_is_reported_is_shown() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.queue_depth("q", 3)
    metrics.reconciled("c", "done", 0.02)
    metrics.watch_restarted("eu-1", "Pod", "Expired")
    metrics.informer_objects("eu-1", "Pod", 5)
    metrics.informer_objects("eu-1", "Pod", -2)
    metrics.cluster_up("eu-1", True)
    metrics.cluster_latency("eu-1", 0.25)
    metrics.applied("eu-1", "applied", 0.01)
    metrics.applied("eu-1", "conflict")
    value = metrics.registry.get_sample_value
    assert value("atoll_queue_keys", {"queue": "q"}) == 3
    assert value("atoll_reconcile_seconds_count", {"controller": "c"}) == 1
    assert value("atoll_informer_objects", {"cluster": "eu-1", "kind": "Pod"}) == 3
    assert value("atoll_cluster_up", {"cluster": "eu-1"}) == 1
    assert value("atoll_cluster_heartbeat_seconds", {"cluster": "eu-1"}) == 0.25
    assert value("atoll_applies_total", {"cluster": "eu-1", "result": "conflict"}) == 1
    assert value("atoll_apply_seconds_count", {"cluster": "eu-1"}) == 1


def test_a_cluster_that_left_is_not_shown() -> None:
    metrics = Metrics(CollectorRegistry())
    for name in ("eu-1", "us-1"):
        metrics.expect_cluster(name)
        metrics.cluster_latency(name, 1)
        metrics.watch_restarted(name, "Pod", "Expired")
        metrics.informer_objects(name, "Pod", 1)
    metrics.cluster_left("eu-1")
    metrics.cluster_left("never-there")
    for name in ("eu-1", "us-1"):
        metrics.informer_objects(name, "Pod", -1)  # its informers end a moment after it has left
    text = metrics.text().decode()
    assert "eu-1" not in text
    assert metrics.registry.get_sample_value("atoll_informer_objects", {"cluster": "us-1", "kind": "Pod"}) == 0
