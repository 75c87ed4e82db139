"""How a cluster in pull mode leaves: through its agent, which cleans up after itself; or it is given up."""

from atoll.fleet.leave import leave
from atoll.kube.resources import CLUSTERS, CONFIGMAPS, SECRETS
from atoll.testing.pulledfleet import register
from tests.delivering import eventually

from .conftest import Pulled, configmap


async def test_leaving_orphans_the_applications_and_takes_what_atoll_placed(pulled: Pulled) -> None:
    await pulled.deploy("app", configmap("one", v="1"), clusters=("a", "b"))
    await pulled.ready("app")
    await leave(pulled.hub, "a", timeout=20)
    found = await pulled.find("a", CONFIGMAPS, "one")
    assert found is not None
    assert not found["metadata"].get("labels")
    assert not (await pulled.clients["a"].list(SECRETS)).items
    assert not [c for c in (await pulled.clients["a"].list(CONFIGMAPS)).items if c.name.startswith("atoll")]
    agent = pulled.agents["a"].agent
    assert agent is not None
    assert agent.left
    assert await pulled.data("b", "one") == {"v": "1"}


async def test_leaving_with_delete_takes_the_applications_too(pulled: Pulled) -> None:
    await pulled.deploy("app", configmap("one", v="1"), clusters=("a", "b"))
    await pulled.ready("app")
    await leave(pulled.hub, "a", "delete", timeout=20)
    assert await pulled.data("a", "one") is None
    assert await pulled.data("b", "one") == {"v": "1"}


async def test_one_that_never_comes_back_can_be_given_up(hasty: None, pulled: Pulled) -> None:
    await pulled.deploy("app", configmap("one", v="1"), clusters=("a", "b"))
    await pulled.ready("app")
    await pulled.agents["a"].stop()
    await pulled.reachable("a", "False")
    await leave(pulled.hub, "a", "force", timeout=20)
    assert not [c for c in (await pulled.hub.list(CLUSTERS)).items if c.name == "a"]
    assert await pulled.data("a", "one") == {"v": "1"}


async def test_one_that_was_registered_and_never_called_leaves_at_once(pulled: Pulled) -> None:
    await register(pulled.hub, "never")

    async def hosted() -> bool:
        return bool((await pulled.hub.get(CLUSTERS, "never")).finalizers)

    await eventually(hosted)
    await leave(pulled.hub, "never", timeout=10)


async def test_it_may_come_back_after_it_left(pulled: Pulled) -> None:
    await pulled.deploy("app", configmap("one", v="1"), adopt=True)
    await pulled.ready("app")
    await leave(pulled.hub, "a", timeout=20)
    await pulled.agents["a"].stop()
    await register(pulled.hub, "a")
    pulled.agents["a"].start()
    await pulled.ready("app")
