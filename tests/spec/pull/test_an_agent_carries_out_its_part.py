"""Pull mode does what direct mode does: create, change, repair, prune, refuse, adopt, orphan, remove; and tells it."""

from atoll.kube.resources import CLUSTERS, CONFIGMAPS, NAMESPACES, SECRETS

from .conftest import NAMESPACE, Pulled, configmap


async def test_what_is_wanted_is_applied_and_its_status_comes_back(pulled: Pulled) -> None:
    await pulled.deploy("app", configmap("one", v="1"), clusters=("a", "b"))
    status = await pulled.ready("app")
    assert await pulled.data("a", "one") == await pulled.data("b", "one") == {"v": "1"}
    assert status["summary"]["applied"] == status["summary"]["healthy"] == 2
    await pulled.reachable("a", "True")
    cluster = (await pulled.hub.get(CLUSTERS, "a")).body()["status"]
    assert (cluster["mode"], cluster["version"]) == ("pull", "v1.36.1-fake")
    assert cluster["uid"] == (await pulled.clients["a"].get(NAMESPACES, "kube-system")).uid


async def test_changes_follow_and_what_is_left_out_goes(pulled: Pulled) -> None:
    await pulled.deploy("app", configmap("one", v="1"), configmap("two", v="1"), clusters=("a", "b"))
    await pulled.ready("app")
    await pulled.deploy("app", configmap("one", v="2"), clusters=("b",))
    await pulled.ready("app")
    await pulled.data_becomes("a", "one")
    assert await pulled.data("a", "two") is await pulled.data("b", "two") is None
    assert await pulled.data("b", "one") == {"v": "2"}


async def test_drift_is_repaired(pulled: Pulled) -> None:
    await pulled.deploy("app", configmap("one", v="1"))
    await pulled.ready("app")
    await pulled.clients["a"].patch(CONFIGMAPS, "one", NAMESPACE, {"data": {"v": "spoilt"}})
    await pulled.data_becomes("a", "one", v="1")
    await pulled.clients["a"].delete(CONFIGMAPS, "one", NAMESPACE)
    await pulled.data_becomes("a", "one", v="1")


async def test_what_is_somebody_elses_is_refused_until_adopted(pulled: Pulled) -> None:
    member = pulled.clients["a"]
    await member.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
    await member.create(CONFIGMAPS, {"metadata": {"name": "one", "namespace": NAMESPACE}, "data": {"v": "theirs"}})
    await pulled.deploy("app", configmap("one", v="1"))
    row = await pulled.row_becomes("app", state="Conflict")
    assert "`adopt: true` takes it" in row["message"]
    assert await pulled.data("a", "one") == {"v": "theirs"}
    await pulled.deploy("app", configmap("one", v="1"), adopt=True)
    await pulled.ready("app")
    assert await pulled.data("a", "one") == {"v": "1"}


async def test_deleting_it_leaves_nothing_and_orphaning_leaves_it_unmarked(pulled: Pulled) -> None:
    await pulled.deploy("app", configmap("one", v="1"), clusters=("a", "b"))
    await pulled.deploy("kept", configmap("two", v="1"), deletion="orphan")
    await pulled.ready("app")
    await pulled.ready("kept")
    for name in ("app", "kept"):
        await pulled.delete(name)
        await pulled.gone(name)
    assert await pulled.data("a", "one") is await pulled.data("b", "one") is None
    kept = await pulled.find("a", CONFIGMAPS, "two")
    assert kept is not None
    assert not kept["metadata"].get("labels")
    assert not await held(pulled, "a")


async def test_the_hub_holds_no_credential_and_writes_nothing_for_a_cluster(pulled: Pulled) -> None:
    await pulled.deploy("app", configmap("one", v="1"), clusters=("a", "b"))
    await pulled.ready("app")
    assert not (await pulled.hub.list(SECRETS)).items
    assert not any("hub" not in c.name for c in (await pulled.hub.list(CONFIGMAPS)).items)


async def held(pulled: Pulled, cluster: str) -> list[str]:
    """The applications whose intent is kept on the member."""
    secrets = await pulled.clients[cluster].list(SECRETS, "atoll-system", labels="atoll.dev/intent=held")
    return [secret.name for secret in secrets.items]
