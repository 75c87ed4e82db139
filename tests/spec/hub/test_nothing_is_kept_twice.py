"""A plan that says what the one before said keeps no second copy of it."""

import msgspec

from atoll.api.intent import Revision
from atoll.hub.application import as_submitted
from atoll.plan.planner import plan
from atoll.testing.worlds import cluster, deployment, fleet, intent

FLEET = fleet(cluster("a"), cluster("b"))


def test_equal_deliveries_are_those_that_were_submitted() -> None:
    before, again = plan(intent(), FLEET), plan(intent(), FLEET)
    kept = as_submitted(before.deliveries, again)
    assert kept == again
    assert all(kept.deliveries[name] is before.deliveries[name] for name in ("a", "b"))


def test_what_changed_is_new() -> None:
    before = plan(intent(), FLEET)
    changed = msgspec.structs.replace(intent(deployment(replicas=7)), revision=Revision(1, "uid", 9))
    after = plan(changed, FLEET)
    kept = as_submitted(before.deliveries, after)
    assert all(kept.deliveries[name] is after.deliveries[name] for name in ("a", "b"))
    assert as_submitted({}, after) == after
