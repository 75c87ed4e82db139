"""How long planning takes: many Applications on one frozen snapshot of many clusters, one core.

Each is planned as one that is placed already, and one cluster in a hundred is lost: it fails over what says so.

make bench NAME=plan ARGS="--clusters 1000 --applications 1000"
"""

import argparse
import time
from collections.abc import Callable

import msgspec

from atoll.api.common import LabelSelector
from atoll.api.differences import Difference, ImageRule
from atoll.api.failover import Failover
from atoll.api.intent import Intent, Revision
from atoll.api.objects import Key, Manifest
from atoll.api.placement import Bounds, Placement, Spread
from atoll.api.replicas import Replicas
from atoll.api.rooms import Room, Rooms
from atoll.plan.model import Snapshot
from atoll.plan.planner import plan
from atoll.testing.worlds import cluster, container, deployment, fleet, intent
from bench.result import percentile, result

BENCH = "plan"
PROD = LabelSelector(match_labels={"env": "prod"})


NODES = 10
"""Nodes of each cluster, no two alike."""
LOST = 7
"""One of a hundred clusters is lost: those whose number ends in this."""


def snapshot(clusters: int) -> Snapshot:
    """Half of the clusters are prod, over ten regions and three providers; each has ten nodes, one in a hundred is
    lost for long.
    """
    return fleet(
        *(
            cluster(
                f"c{n}",
                labels={"env": "prod" if n % 2 else "dev", "tier": str(n % 7)},
                provider=("aws", "gcp", "onprem")[n % 3],
                region=f"region-{n % 10}",
                rooms=rooms(n),
                ready=n % 100 != LOST,
                lost_since=1.0 if n % 100 == LOST else 0.0,
            )
            for n in range(clusters)
        )
    )


def rooms(number: int) -> Rooms:
    return tuple(
        Room({"cpu": 1000 + (number * 37 + node * 211) % 15000, "memory": (1 + node % 8) << 32}, 60 + node)
        for node in range(NODES)
    )


def asking(cpu: str) -> Manifest:
    return deployment("web", container(resources={"requests": {"cpu": cpu, "memory": "256Mi"}}), replicas=3)


SPREAD = (Spread("region", min=3, clusters=Bounds(max=4)), Spread("cluster", max=12))


SHAPES: dict[str, Callable[[], Intent]] = {
    "all clusters": intent,
    "three by name": lambda: intent(placement=Placement(clusters=("c1", "c3", "c5"))),
    "by label": lambda: intent(placement=Placement(selector=PROD)),
    "by CEL": lambda: intent(placement=Placement(where='cluster.provider == "aws" && cluster.region != "region-3"')),
    "by label, total and weights, two differences": lambda: intent(
        deployment(replicas=3),
        placement=Placement(selector=PROD),
        replicas=Replicas(total=2000, weights={"c1": 5, "*": 1}),
        differences=(
            Difference(selector=PROD, images=(ImageRule(from_="gcr.io/shop", to="docker.io/shop"),)),
            Difference(where='cluster.provider == "gcp"', env={"web": {"CLOUD": "gcp"}}),
        ),
    ),
    "by label, spread, capacity, failover": lambda: intent(
        asking("500m"),
        placement=Placement(selector=PROD, spread=SPREAD),
        replicas=Replicas(total=60, divide="capacity"),
        failover=Failover(),
    ),
    "all clusters, capacity, failover": lambda: intent(
        asking("250m"), replicas=Replicas(total=2000, divide="capacity"), failover=Failover()
    ),
}


def measure(shape: str, world: Snapshot, applications: int) -> list[float]:
    """CPU seconds of each of `applications` plans; a first one warms what is remembered by expression."""
    template = SHAPES[shape]()
    intents = [
        msgspec.structs.replace(
            template, key=Key("demo", f"app-{n}"), uid=f"uid-{n}", revision=Revision(1, f"uid-{n}", 1)
        )
        for n in range(applications)
    ]
    first = plan(template, world)
    placed = {name: share.common for name, share in first.shares.items()}
    times = []
    for one in intents:
        there = msgspec.structs.replace(world, previous={one.key: placed}, now=10_000.0, steady=True)
        began = time.process_time()
        plan(one, there)
        times.append(time.process_time() - began)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clusters", type=int, default=1000)
    parser.add_argument("--applications", type=int, default=1000)
    arguments = parser.parse_args()
    small, large = snapshot(max(1, arguments.clusters // 4)), snapshot(arguments.clusters)
    for shape in SHAPES:
        times = measure(shape, large, arguments.applications)
        quarter = sum(measure(shape, small, arguments.applications)) / arguments.applications
        mean = sum(times) / len(times)
        shown = {"clusters": arguments.clusters, "applications": arguments.applications}
        result(
            BENCH, f"{shape}, mean", mean * 1000, "ms", ratio=round(mean / quarter, 2),
            against="a quarter of the clusters", **shown,
        )  # fmt: skip
        result(BENCH, f"{shape}, p99", percentile(times, 0.99) * 1000, "ms", **shown)


if __name__ == "__main__":
    main()
