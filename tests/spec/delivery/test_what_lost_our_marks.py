"""What was delivered stays ours, whatever somebody makes of its labels: we know that we made it."""

from atoll.api.names import LABEL_APP
from atoll.kube.resources import CONFIGMAPS
from tests.delivering import Site, configmap, eventually


async def test_what_was_replaced_as_a_whole_is_put_right(site: Site) -> None:
    app = site.app("demo")
    async with site.engaged():
        await app.deliver(configmap("c", "demo", a="1"))
        await site.plain.replace(CONFIGMAPS, configmap("c", "demo", a="2"))  # as `kubectl replace` does

        async def as_wanted() -> bool:
            live = await site.live(CONFIGMAPS, "c", "demo")
            return live.labels.get(LABEL_APP) == app.uid and live.body()["data"] == {"a": "1"}

        await eventually(as_wanted, 3)
        await app.outcome("Applied")


async def test_what_was_made_anew_by_somebody_is_theirs(site: Site) -> None:
    app = site.app("demo")
    async with site.engaged():
        await app.deliver(configmap("c", "demo", a="1"))
        app.submit(configmap("c", "demo", a="1"), suspend=True)
        await site.plain.delete(CONFIGMAPS, "c", "demo")
        await site.plain.create(CONFIGMAPS, configmap("c", "demo", a="2"))
        app.submit(configmap("c", "demo", a="1"))
        await app.outcome("Conflict")
        assert (await site.live(CONFIGMAPS, "c", "demo")).body()["data"] == {"a": "2"}
