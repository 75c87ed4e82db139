"""A member under delivery, for tests: a hub id of its own, applications, and what came of them."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from atoll.api.delivery import Delivery, ObjectOutcome, Outcome, Removal
from atoll.api.intent import Revision
from atoll.api.names import LABEL_APP, LABEL_HUB, SYSTEM_NAMESPACE, applyset_parent
from atoll.api.objects import Key, ObjectId, manifest
from atoll.deliver.deliverer import Deliverer
from atoll.fleet.identity import HubIdentity
from atoll.fleet.member import Member
from atoll.kube.client import Client
from atoll.kube.errors import KubeError, NotFound
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import CONFIGMAPS, NAMESPACES
from atoll.runtime.supervise import keep
from atoll.runtime.watchset import WatchSet

Json = dict[str, Any]


async def eventually(check: Callable[[], Awaitable[Any] | Any], seconds: float = 10.0) -> Any:
    """What `check` answers, once that is true; errors of the API count as not yet."""
    end = time.monotonic() + seconds
    while True:
        answer: Any = None
        error: KubeError | None = None
        try:
            answer = check()
            if isinstance(answer, Awaitable):
                answer = await answer
        except KubeError as caught:
            answer, error = None, caught
        if answer:
            return answer
        assert time.monotonic() < end, f"not within {seconds} s: {answer!r} {error or ''}"
        await asyncio.sleep(0.01)


class App:
    """One application on one member."""

    def __init__(self, site: "Site", namespace: str) -> None:
        self.site = site
        self.uid = f"uid-{secrets.token_hex(6)}"
        self.key = Key(namespace, f"app-{secrets.token_hex(3)}")
        self.sequence = 0

    def submit(self, *objects: Json, **options: Any) -> Delivery:
        self.sequence += 1
        delivery = Delivery(
            key=self.key,
            uid=self.uid,
            cluster=self.site.name,
            revision=Revision(options.pop("epoch", 1), self.uid, options.pop("sequence", self.sequence)),
            objects=tuple(manifest(body) for body in objects),
            **options,
        )
        self.site.deliverer.submit(delivery)
        return delivery

    async def deliver(self, *objects: Json, state: str = "Applied", seconds: float = 10.0, **options: Any) -> Outcome:
        delivery = self.submit(*objects, **options)
        return await self.outcome(state, delivery.revision, seconds)

    async def outcome(self, state: str, revision: Revision | None = None, seconds: float = 10.0) -> Outcome:
        end = time.monotonic() + seconds
        while True:
            found = self.latest
            if found and found.state == state and revision in {None, found.revision}:
                return found
            assert time.monotonic() < end, f"not {state} within {seconds} s: {found}"
            await asyncio.sleep(0.002)

    @property
    def latest(self) -> Outcome | None:
        return self.site.outcomes.get(self.uid)

    def trouble(self, name: str) -> ObjectOutcome | None:
        return next((o for o in (self.latest.objects if self.latest else ()) if o.id.name == name), None)

    async def remove(self, *, orphan: bool = False, seconds: float = 15.0) -> Outcome:
        self.site.deliverer.remove(Removal(self.key, self.uid, self.site.name, orphan))
        outcome: Outcome = await eventually(lambda: self.latest if self.latest and self.latest.gone else None, seconds)
        return outcome


class Site:
    """A member, engaged."""

    def __init__(self, name: str, client: Client, plain: Client) -> None:
        self.name = name
        self.client = client
        """The deliverer's own: what it sent is in `requests`."""
        self.plain = plain
        """Somebody else's."""
        self.hub = HubIdentity(secrets.token_hex(4))
        self.outcomes: dict[str, Outcome] = {}
        self.history: list[Outcome] = []
        self.deliverer = Deliverer(self._report)
        self.deliverer.claims_complete(lambda uid: uid in self.alive)
        self.alive: set[str] = set()
        self.namespaces: list[str] = []
        self.watches: WatchSet
        self._task: asyncio.Task[None] | None = None

    def _report(self, outcome: Outcome) -> None:
        self.outcomes[outcome.uid] = outcome
        self.history.append(outcome)

    def namespace(self) -> str:
        self.namespaces.append(f"test-{secrets.token_hex(5)}")
        return self.namespaces[-1]

    async def made_namespace(self) -> str:
        name = self.namespace()
        await self.plain.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    def app(self, namespace: str) -> App:
        app = App(self, namespace)
        self.alive.add(app.uid)
        return app

    @asynccontextmanager
    async def engaged(self, *namespaces: str) -> AsyncIterator[None]:
        """Contact with the member, with rights in `namespaces` only if any are given; leaving is losing it."""
        labels = f"{LABEL_HUB}={self.hub.id}"
        index = lambda live: live.labels.get(LABEL_APP)  # noqa: E731
        async with WatchSet(self.client, labels, index, namespaces=namespaces) as watches:
            self.watches = watches
            member = Member(self.name, "uid", "v1", self.client, self.hub, watches)
            task = asyncio.create_task(keep("deliver", lambda: self.deliverer.engage(member)))
            try:
                yield
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    def requests(self) -> dict[str, int]:
        counts = self.client.statistics().requests
        return {verb: number for verb, number in counts.items() if verb not in {"watch", "raw"}}

    async def live(self, resource: Resource, name: str, namespace: str = "") -> Object:
        return await self.plain.get(resource, name, namespace, managed_fields=True)

    async def exists(self, resource: Resource, name: str, namespace: str = "") -> bool:
        try:
            await self.plain.get(resource, name, namespace)
        except NotFound:
            return False
        return True

    async def clean(self) -> None:
        with suppress(NotFound):
            await self.plain.delete(CONFIGMAPS, applyset_parent(self.hub.id), SYSTEM_NAMESPACE)
        for name in self.namespaces:
            with suppress(NotFound):
                await self.plain.delete(NAMESPACES, name)


@asynccontextmanager
async def sites(fleet: Any, member: int = 0) -> AsyncIterator[Site]:
    """A site on one of the fleet's members, cleaned afterwards; not engaged yet."""
    name = fleet.members[member]
    async with fleet.client(name) as client, fleet.client(name) as plain:
        site = Site(name, client, plain)
        try:
            yield site
        finally:
            await site.clean()


def configmap(name: str, namespace: str, annotations: dict[str, str] | None = None, **data: str) -> Json:
    metadata: Json = {"name": name, "namespace": namespace}
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def deployment(name: str, namespace: str, replicas: int | None = 1, image: str = "nginx:1") -> Json:
    spec: Json = {
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "main", "image": image, "ports": [{"containerPort": 80}]}]},
        },
    }
    if replicas is not None:
        spec["replicas"] = replicas
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def object_id(body: Json) -> ObjectId:
    return manifest(body).id
