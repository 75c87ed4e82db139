"""Many runs, on all cores."""

import gc
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from atoll.testing.fakefleet.run import STEPS, Report, run

AT_A_TIME = 5
"""Runs that a process is given together."""


def many(seeds: Iterable[int], steps: int = STEPS) -> Iterator[Report]:
    """The reports of `seeds`, in their order, as they come."""
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=_begin) as pool:
        yield from pool.map(partial(run, steps=steps), seeds, chunksize=AT_A_TIME)


def _begin() -> None:
    """What is loaded stays: it need not be looked through for garbage after every few steps."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
