"""Runs by hand: `python -m atoll.testing.fakefleet --seed 7 -v`, or `--runs 20000 --from 1`."""

import argparse
import sys
import time
from collections import Counter

from atoll.testing.fakefleet.many import many
from atoll.testing.fakefleet.run import STEPS, Report, again, run

MOST_SHOWN = 10


def main(arguments: list[str] | None = None) -> int:
    """1 when something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m atoll.testing.fakefleet", description=__doc__)
    parser.add_argument("--seed", type=int, help="one run")
    parser.add_argument("--runs", type=int, default=1, help="so many runs, on all cores")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first of their seeds")
    parser.add_argument("--steps", type=int, default=STEPS, help="only so many steps of each")
    parser.add_argument("--without", type=int, nargs="*", default=(), help="steps to leave out")
    parser.add_argument("-v", action="store_true", dest="verbose", help="say what happens")
    asked = parser.parse_args(arguments)
    if asked.seed is not None:
        report = run(asked.seed, asked.steps, frozenset(asked.without))
        _tell(report, verbose=asked.verbose)
        return 1 if report.complaints else 0
    return _many(range(asked.first, asked.first + asked.runs), asked.steps)


def _many(seeds: range, steps: int) -> int:
    counts: Counter[str] = Counter()
    bad, began = 0, time.monotonic()
    told = began
    for done, report in enumerate(many(seeds, steps), 1):
        counts += report.counts
        bad += bool(report.complaints)
        if report.complaints:
            _tell(report, verbose=False)
        if time.monotonic() - told >= 15.0 or done == len(seeds):
            told = time.monotonic()
            print(
                f"{done} of {len(seeds)} runs, {(told - began) / done * 1000:.0f} ms each, {bad} bad", file=sys.stderr
            )
    print(", ".join(f"{name} {number}" for name, number in sorted(counts.items())))
    return 1 if bad else 0


def _tell(report: Report, *, verbose: bool) -> None:
    if verbose:
        print(*report.log, sep="\n")
    for text in report.complaints[:MOST_SHOWN]:
        print(f"seed {report.seed}: {text}")
    if report.complaints and not verbose:
        print(f"  {again(report.seed)}")


if __name__ == "__main__":
    sys.exit(main())
