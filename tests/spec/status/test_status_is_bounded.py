"""However many clusters, a status stays readable, quick to make, and below 512 KiB."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from atoll.api.delivery import ObjectOutcome, Outcome
from atoll.api.objects import ObjectId
from atoll.api.observation import Observation, Problem
from atoll.api.status import ApplicationStatus, ClusterRow, ProblemStatus
from atoll.observe.bounds import ETCD_BYTES, MOST_BYTES, bounded, fit, room, size

from .worlds import observed, outcome, planned, status, trouble


def names(count: int) -> list[str]:
    return [f"cluster-{n:04}" for n in range(count)]


def size_of(found: ApplicationStatus) -> int:
    return len(msgspec.json.encode(found))


def answers(clusters: list[str], ill: int) -> list[Outcome | Observation]:
    rows: list[Outcome | Observation] = []
    for place, cluster in enumerate(clusters):
        rows.append(outcome(cluster))
        rows.append(observed(cluster, "Degraded", 1, 3, trouble()) if place < ill else observed(cluster))
    return rows


def test_up_to_a_hundred_clusters_every_row_is_full() -> None:
    clusters = names(100)
    found = status(planned(*clusters), *answers(clusters, 3))
    assert all(r.ready and r.since for r in found.clusters)
    assert found.truncated == 0


def test_above_a_hundred_only_the_unhealthy_rows_are_full() -> None:
    clusters = names(1000)
    found = status(planned(*clusters), *answers(clusters, 7))
    assert len(found.clusters) == 1000
    assert [r.name for r in found.clusters if r.problems and r.ready and r.since] == clusters[:7]
    assert found.clusters[7] == ClusterRow(clusters[7], state="Applied", health="Healthy", revision=1)
    assert found.truncated == 0
    assert found.summary is not None
    assert (found.summary.healthy, found.summary.ready) == (993, "2986/3000")
    assert size_of(found) < MOST_BYTES


def worst(clusters: list[str]) -> list[Outcome | Observation]:
    words = "😀" * 1000
    things = [Problem(ObjectId("", "Pod", "demo", f"web-{n}" + "x" * 240), f"Reason{n}", words, 1) for n in range(3)]
    failed = ObjectOutcome(ObjectId("", "ConfigMap", "demo", "y" * 250), "Failed", "Bad", words)
    rows: list[Outcome | Observation] = []
    for cluster in clusters:
        rows += [outcome(cluster, "Failed", failed), observed(cluster, "Degraded", 1, 3, *things)]
    return rows


@pytest.mark.parametrize("count", [100, 1000, 3000])
def test_the_worst_that_clusters_can_say_still_fits(count: int) -> None:
    clusters = [name + "-" + "z" * 200 for name in names(count)]
    found = status(planned(*clusters), *worst(clusters))
    assert size_of(found) <= MOST_BYTES
    assert len(found.clusters) <= 1024
    assert len(found.placement) <= 1024
    assert (found.truncated > 0) == (count > 100)
    whole = [r for r in found.clusters if len(r.problems) == 3]
    assert found.truncated == count - len(whole)


def test_beside_a_spec_of_a_mebibyte_it_leaves_the_object_within_what_etcd_takes() -> None:
    body: dict[str, Any] = {"spec": {"manifests": [{"text": "x" * (1 << 20)}]}, "status": {}}
    alone, clusters = msgspec.json.encode(body), names(1000)
    found = bounded(status(planned(*clusters), *worst(clusters)), room(alone))
    written = msgspec.json.encode(body | {"status": found})
    assert len(written) <= ETCD_BYTES - 64 * 1024
    assert len(found.placement) == 1000
    assert room(written) == room(alone), "what the status takes itself is no reason to shrink it"
    assert room(b'{"spec": {}}') == MOST_BYTES


def test_a_thousand_clusters_take_no_time() -> None:
    clusters = names(1000)
    plan, rows = planned(*clusters), answers(clusters, 100)
    before = status(plan, *rows)
    best = min(timed(lambda: status(plan, *rows, previous=before)) for _ in range(5))
    assert best < 0.02


def timed(run: Callable[[], object]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def unwell(name: str, problems: int) -> ClusterRow:
    row = tuple(ProblemStatus("Pod/x", "Reason", "m" * 200) for _ in range(problems))
    return ClusterRow(name, state="Failed", health="Degraded", message="m" * 100, problems=row)


def test_the_least_urgent_lose_first_and_all_losses_are_counted() -> None:
    rows = [ClusterRow("well", state="Applied", health="Healthy", ready="1/1"), unwell("bad", 3), unwell("ill", 3)]
    everything = sum(size(r) for r in rows)
    assert fit(rows, everything) == (tuple(sorted(rows, key=lambda r: r.name)), 0)
    kept, lost = fit(rows, everything - 10)
    assert lost > 0
    assert {r.name: len(r.problems) for r in kept}["bad"] == 3
    assert sum(size(r) for r in kept) <= everything - 10
    kept, lost = fit(rows, 60)
    assert lost == 3
    assert sum(size(r) for r in kept) <= 60
