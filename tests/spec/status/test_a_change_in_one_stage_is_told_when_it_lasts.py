"""The beginning of a change that gets on by itself is no news: most are over before it was written."""

from typing import Any

import msgspec
import pytest

from atoll.api.rollout import RolloutStatus, StageStatus
from atoll.api.status import ApplicationStatus
from atoll.observe.status import settled, stepped

from .worlds import conditions, kstatus, observed, outcome, planned, status

WELL = (outcome("eu", sequence=2), observed("eu"))


def rolling(phase: Any = "Progressing", *states: Any, revision: int = 2) -> RolloutStatus:
    stages = tuple(StageStatus(f"s{number}", state) for number, state in enumerate(states))
    return RolloutStatus(revision, 1, phase=phase, stages=stages)


def changing(*answers: Any, rollout: RolloutStatus) -> ApplicationStatus:
    plan = msgspec.structs.replace(planned("eu", sequence=2), rollout=rollout)
    return status(plan, *answers, sequence=2)


def test_one_that_every_cluster_has_and_that_is_looked_at_once_more_is_on_its_way() -> None:
    found = changing(*WELL, rollout=rolling("Progressing", "Updating"))
    assert conditions(found)["Reconciling"] == ("True", "RollingOut")
    assert kstatus(found) == "InProgress"
    assert not settled(found)
    assert settled(changing(*WELL, rollout=rolling("Complete", "Done")))


@pytest.mark.parametrize(
    ("before", "after", "news"),
    [
        (rolling("Complete", "Done", revision=1), rolling("Progressing", "Updating"), False),
        (rolling("Progressing", "Updating"), rolling("Complete", "Done"), False),
        (rolling("Progressing", "Updating"), rolling("Progressing", "Verifying"), True),
        (rolling("Progressing", "Updating"), rolling("Failed", "Updating"), True),
        (rolling("Failed", "Updating", revision=1), rolling("Progressing", "Updating"), True),
        (rolling("Complete", "Done", "Done", revision=1), rolling("Progressing", "Updating", "Pending"), True),
        (rolling("Progressing", "Updating", "Pending"), rolling("Progressing", "Done", "Updating"), True),
    ],
)
def test_a_step_is_worth_writing_down_where_somebody_may_wait_for_it(
    before: RolloutStatus, after: RolloutStatus, *, news: bool
) -> None:
    assert stepped(ApplicationStatus(rollout=before), ApplicationStatus(rollout=after)) is news
