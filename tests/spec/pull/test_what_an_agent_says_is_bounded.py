"""One agent that says what can't be is no trouble for what is told of other clusters, nor for the hub's memory."""

from typing import Any

import pytest

from atoll.api.objects import ObjectId
from atoll.api.observation import Observation, Problem
from atoll.pull.protocol import Report, Synced

from .conftest import Pulled, configmap
from .test_an_agent_speaks_for_its_own_cluster_only import KEY, applied, calling

POD = ObjectId("", "Pod", "x", "y")


@pytest.mark.parametrize(
    "said",
    [
        {"problems": (Problem(POD, "Late", since=1e300),)},
        {"problems": (Problem(POD, "Early", since=-1e18),)},
        {"problems": (Problem(POD, "Wordy" * 100_000, "words " * 100_000, 10**40),)},
        {"problems": tuple(Problem(POD._replace(name=f"y{n}"), "Many") for n in range(5_000))},
        {"ready": 10**40, "desired": -5},
        {"carry": {"unasked": "x" * 1_000_000}},
    ],
    ids=["a time too late", "a time too early", "long words", "many problems", "numbers", "what was not asked for"],
)
async def test_what_one_says_of_an_application_does_not_hold_up_what_others_say(
    pulled: Pulled, said: dict[str, Any]
) -> None:
    """The API server takes a status as a whole or not at all."""
    uid = await pulled.deploy("app", configmap("one", v="1"), clusters=("a", "b"))
    await pulled.ready("app")
    await pulled.agents["a"].stop()
    async with calling(pulled, "a") as forger:
        await forger.say_hello()
        await forger.until(Synced)
        seen = Observation(KEY, uid, "a", "Degraded", **said)
        await forger.channel.send(Report(1, (applied("a", uid, sequence=10**40),), (seen,)))
        row = await pulled.row_becomes("app", health="Degraded")
        assert len(row.get("ready", "")) <= 32
        assert len(row.get("problems", ())) <= 3
        for problem in row.get("problems", ()):
            assert len(problem["reason"]) <= 256
            assert 0 < problem.get("count", 1) < 2**31
        assert "carry" not in row
        await pulled.deploy("app", configmap("one", v="2"), clusters=("a", "b"))
        await pulled.row_becomes("app", "b", state="Applied", health="Healthy")
        await pulled.data_becomes("b", "one", v="2")
