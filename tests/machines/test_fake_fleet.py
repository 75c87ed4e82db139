"""Whole hubs in seeded misfortune: 2,000 runs in CI, ATOLL_EFFORT times as many by hand.

What must hold is in `atoll.testing.fakefleet.verdict` and `watchman`. A seed that fails is run again by the command
that the assertion names.
"""

import os
import subprocess
import sys
from collections import Counter

import pytest

from atoll.testing.fakefleet import again, many, run
from atoll.testing.fakefleet.actions import ACTIONS, FAULTS
from tests.machines.effort import EFFORT

CHUNKS, CHUNK = 5, 400 * EFFORT
LEAST = 1
"""How often each kind of thing must have happened in all runs together."""
HAPPENED: Counter[str] = Counter()
WHAT_HAPPENS = (
    *(action.__name__ for action in ACTIONS),
    *(f"fault {name}" for name, _, _ in FAULTS),
    *("siege endured", "restart when settled", "whole"),
)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_all_is_right_in_the_end_and_nothing_forbidden_happened_on_the_way(chunk: int) -> None:
    for report in many(range(chunk * CHUNK, (chunk + 1) * CHUNK)):
        HAPPENED.update(report.counts, writes=report.writes, chunks=report.seed % CHUNK == 0)
        assert not report.complaints, "\n".join((*report.complaints[:5], again(report.seed)))


def test_everything_that_can_happen_has_happened_in_these_runs() -> None:
    if HAPPENED["chunks"] < CHUNKS:
        pytest.skip("only a part of the runs was made")
    rare = {what: HAPPENED[what] for what in WHAT_HAPPENS if HAPPENED[what] < LEAST}
    assert not rare
    assert HAPPENED["writes"] > CHUNKS * CHUNK * 10


def test_a_seed_is_the_same_run_in_every_process() -> None:
    seeds = range(7_000, 7_006)
    program = f"from atoll.testing.fakefleet import run\nfor seed in {list(seeds)}: print(run(seed).trace)"
    traces = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert traces == {"".join(f"{run(seed).trace}\n" for seed in seeds)}
