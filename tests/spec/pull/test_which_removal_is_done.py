"""An agent says of a removal that it is done while the hub, which wanted the objects back, wants them removed again."""

import asyncio

import pytest

from atoll.api.delivery import Outcome
from atoll.kube.resources import APPLICATIONS
from atoll.pull.protocol import Deliver, Forget, Remove, Report, Synced

from .conftest import NAMESPACE, Pulled, configmap
from .test_an_agent_speaks_for_its_own_cluster_only import KEY, calling


async def test_of_a_removal_that_was_taken_back_the_end_is_not_that_of_the_next(pulled: Pulled) -> None:
    await pulled.reachable("a", "True")
    await pulled.agents["a"].stop()
    async with calling(pulled, "a") as agent:
        await agent.say_hello()
        await agent.until(Synced)
        uid = await pulled.deploy("app", configmap("one", v="1"))
        await agent.until(Deliver)
        await pulled.deploy("app", configmap("one", v="1"), clusters=("b",))
        await agent.until(Remove)
        first = agent.heard[-1]
        assert isinstance(first, Remove)
        await pulled.deploy("app", configmap("one", v="1"))
        agent.heard.clear()
        await agent.until(Deliver)
        await pulled.delete("app")
        await agent.until(Remove)
        late = Outcome(KEY, uid, "a", first.removal.revision, "Removing", gone=True)
        await agent.channel.send(Report(1, (late,)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await agent.until(Forget)
        assert await pulled.hub.get(APPLICATIONS, "app", NAMESPACE)
        await agent.channel.send(Report(2, (Outcome(KEY, uid, "a", None, "Removing", gone=True),)))
        await pulled.gone("app")
