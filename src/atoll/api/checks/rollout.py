"""Stages, portions and gates of a rollout: what can be told without knowing the clusters' labels."""

import re
from collections.abc import Iterator, Sequence

from atoll.api.checks.case import Case
from atoll.api.issues import Issue
from atoll.api.placement import ClusterTarget
from atoll.api.rollout import Stage

_SHARE = re.compile(r"([1-9][0-9]?|100)%")


def rollout(case: Case) -> Iterator[Issue]:
    """Names, portions, and clusters that are named by two stages, or by none."""
    wish = case.app.spec.rollout
    if wish is None:
        return
    yield from _portion(wish.max_unavailable, "spec.rollout.maxUnavailable")
    names: dict[str, int] = {}
    for index, stage in enumerate(wish.stages):
        at = f"spec.rollout.stages[{index}]"
        yield from _portion(stage.max_unavailable, f"{at}.maxUnavailable")
        if names.setdefault(stage.name, index) != index:
            yield Issue(f"{at}.name", f"{stage.name} is the name of stage {names[stage.name] + 1}, too")
        if stage.all and index < len(wish.stages) - 1:
            yield Issue(f"{at}.all", "all: true is for the last stage: it takes the clusters that no other one takes")
    yield from _overlaps(wish.stages)
    yield from _left_out(case.app.spec.placement, wish.stages)


def _portion(wish: int | str | None, at: str) -> Iterator[Issue]:
    if wish is None or (isinstance(wish, int) and not isinstance(wish, bool) and 1 <= wish <= 1024):
        return
    if not isinstance(wish, str) or not _SHARE.fullmatch(wish):
        yield Issue(at, f'{wish!r} is neither a number from 1 to 1024 nor a share from "1%" to "100%"')


def _overlaps(stages: Sequence[Stage]) -> Iterator[Issue]:
    """Where two stages name one cluster and neither narrows that down. Others are told once the labels are known."""
    first: dict[str, str] = {}
    for index, stage in enumerate(stages):
        if not _only_named(stage):
            continue
        for name in stage.clusters:
            if name in first:
                at = f"spec.rollout.stages[{index}].clusters"
                yield Issue(at, f"{name} is in stage {first[name]}, too: a cluster belongs to one stage")
            else:
                first[name] = stage.name


def _left_out(placement: ClusterTarget | None, stages: Sequence[Stage]) -> Iterator[Issue]:
    if placement is None or not stages or not all(_only_named(stage) for stage in stages):
        return
    taken = {name for stage in stages for name in stage.clusters}
    left = [name for name in dict.fromkeys(placement.clusters) if name not in taken]
    if left:
        yield Issue(
            "spec.rollout.stages",
            f"no stage takes {', '.join(left)}: add them to one, or a last stage with all: true",
        )


def _only_named(target: ClusterTarget) -> bool:
    return bool(target.clusters) and target.selector is None and target.where is None
