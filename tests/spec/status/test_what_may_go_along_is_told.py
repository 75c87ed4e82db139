"""What `failover.carry` names is in the row of the cluster where it was seen; what was brought, in the placement."""

from typing import Any

import msgspec

from atoll.api.status import ApplicationStatus
from atoll.observe.status import alike

from .worlds import AWAY, observed, outcome, planned, row, status

SAVED = {"SAVED": "s3://42"}


def seen(value: str, **more: Any) -> ApplicationStatus:
    return status(planned("eu"), outcome("eu"), observed("eu"), carry={"eu": {"SAVED": value}}, **more)


def test_it_is_told_where_it_was_seen_and_stays_when_the_cluster_is_away() -> None:
    before = seen("s3://42")
    assert row(before, "eu").carry == SAVED
    away = seen("s3://42", previous=before, reach={"eu": AWAY})
    assert (row(away, "eu").state, row(away, "eu").carry) == ("Unreachable", SAVED)


def test_what_was_brought_is_in_the_placement() -> None:
    plan = planned("eu")
    share = msgspec.structs.replace(plan.shares["eu"], carried=SAVED, came_from="us")
    (part,) = status(msgspec.structs.replace(plan, shares={"eu": share}), outcome("eu"), observed("eu")).placement
    assert (part.carried, part.came_from) == (SAVED, "us")


def test_another_value_alone_is_no_reason_to_write_at_once() -> None:
    before = seen("s3://42")
    assert alike(before, seen("s3://43", previous=before))
    assert not alike(before, seen("s3://43", previous=before, reach={"eu": AWAY}))
    assert not alike(before, status(planned("eu"), outcome("eu"), observed("eu", "Degraded"), previous=before))
