"""A fake fleet: whole hubs over fake API servers, in one process and in virtual time, tried by seeded misfortune.

One run is a hub with its real controllers, planner, deliverer and client, two to four members, and a few dozen virtual
seconds in which users change their minds, others meddle, connections break, servers refuse and forget, hubs are killed,
stopped or restored. Then nothing goes wrong any more, and what must hold is looked at: see `verdict` for the end and
`watchman` for what must never be on the way. The seed decides everything: `virtualtime` says how.

    report = run(7)
    assert not report.complaints, again(7)
"""

from atoll.testing.fakefleet.many import many
from atoll.testing.fakefleet.run import STEPS, Report, again, play, run

__all__ = ["STEPS", "Report", "again", "many", "play", "run"]
