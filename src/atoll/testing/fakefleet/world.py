"""One run's world: a hub's API server, members, hub processes, and who else works on them."""

import asyncio
import base64
import hashlib
from collections import Counter
from collections.abc import Callable
from contextvars import Context, copy_context
from random import Random
from typing import Any

from atoll.api.names import FINALIZER, HUB_CONFIGMAP, LABEL_APP, LABEL_HUB, LABEL_REACH, SYSTEM_NAMESPACE
from atoll.api.objects import GroupKind, Json, ObjectId
from atoll.kube.config import Config
from atoll.kube.objects import Resource
from atoll.kube.resources import (
    APPLICATIONDEFAULTS,
    APPLICATIONS,
    CLUSTERPROFILES,
    CLUSTERS,
    CONFIGMAPS,
    DEPLOYMENTS,
    EVENTS,
    LEASES,
    NAMESPACES,
    SECRETS,
)
from atoll.testing.fakeapi.faults import Refuse, Rule
from atoll.testing.fakeapi.kinds import Kind
from atoll.testing.fakeapi.refusals import Refusal
from atoll.testing.fakeapi.store import Snapshot, Write
from atoll.testing.fakefleet.history import History
from atoll.testing.fakefleet.processes import HubProcess
from atoll.testing.fakefleet.servers import Call, Server
from atoll.testing.fakefleet.virtualtime import VirtualLoop
from atoll.testing.fakefleet.watchman import Cut, Fight, Watchman

NAMESPACE = "demo"
HUB_ID = "f1ee7000"
RIVAL = "rival"
LEARNING = 10.0
"""Seconds of a siege in which nobody counts."""
ROLLOUT = (0.05, 2.0)
"""Seconds that a Deployment's Pods take."""


class World:
    """Everything there is. `log` tells what happened, in order."""

    def __init__(self, seed: int, loop: VirtualLoop) -> None:
        self.loop = loop
        self.random = Random(f"{seed}/world")
        self.log: list[str] = []
        self.trace = hashlib.sha256()
        self.counts: Counter[str] = Counter()
        self.hub = Server("hub", seed * 10)
        names = [f"m{number}" for number in range(1, self.random.randint(2, 4) + 1)]
        self.members = {name: Server(name, seed * 10 + number) for number, name in enumerate(names, 1)}
        self.servers = {server.url: server for server in (self.hub, *self.members.values())}
        self.processes: list[HubProcess] = []
        self.started = self.sieges = self.restarts = 0
        self.snapshot: Snapshot | None = None
        self.snapshot_time = 0.0
        self.restored = False
        self.abandoned: set[str] = set()
        """Members that were left by force: what is there may belong to nobody."""
        self.lost: set[str] = set()
        """UIDs of Applications that a restored hub can't know of."""
        self.bystanders: dict[tuple[str, ObjectId], Json] = {}
        self._harness: Context = copy_context()
        self._furnish()
        self.history = History(self.hub.cluster, loop.time)
        self.watchman = Watchman(self.history, HUB_ID, loop.time)
        self._attend()

    # The beginning

    def _furnish(self) -> None:
        for resource in (APPLICATIONS, APPLICATIONDEFAULTS, CLUSTERS, CLUSTERPROFILES):
            self.hub.cluster.kinds.add(Kind(resource))
        for resource in (LEASES, EVENTS):
            self.hub.cluster.kinds.add(Kind(resource, status=False, accounted=False))
        self.put(self.hub, NAMESPACES, SYSTEM_NAMESPACE)
        self.put(self.hub, NAMESPACES, NAMESPACE, labels={LABEL_REACH: "cluster"})
        self.put(self.hub, CONFIGMAPS, HUB_CONFIGMAP, SYSTEM_NAMESPACE, data={"id": HUB_ID, "epoch": "1"})
        for name, member in self.members.items():
            self.add_cluster(name)
            self.put(member, NAMESPACES, NAMESPACE)
            self.add_bystander(name, NAMESPACE)
            self.add_bystander(name, "default")
            other = {LABEL_HUB: "0ther000", LABEL_APP: "another-uid"}
            self.add_bystander(name, NAMESPACE, labels=other)

    def _attend(self) -> None:
        self.hub.cluster.store.on_write = lambda write: self.watchman.wrote_hub(self.hub, write)
        self.hub.calling = lambda call: self._called(self.hub, call)
        for member in self.members.values():
            self._attend_to(member)

    def _called(self, server: Server, call: Call) -> None:
        asked = call.asked
        self.trace.update(f"{call.at:.6f} {server.name} {call.by} {asked.method} {asked.path}\n".encode())
        if server is not self.hub:
            self.watchman.calling(server, call)

    def _attend_to(self, member: Server) -> None:
        def wrote(write: Write) -> None:
            self.watchman.wrote(member, write)
            self._roll_out(member, write)
            self._fight_back(member, write)

        member.cluster.store.on_write = wrote
        member.calling = lambda call: self._called(member, call)

    # Objects, as users have them

    def kind(self, server: Server, resource: Resource) -> Kind:
        found = server.cluster.kinds.find(resource.group, resource.version, resource.plural)
        if found is None:
            raise LookupError(resource.plural)
        return found

    def put(
        self,
        server: Server,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        labels: Json | None = None,
        **fields: Any,
    ) -> Json:
        """Create an object as a user does."""
        body: Json = {"metadata": {"name": name, **({"labels": labels} if labels else {})}, **fields}
        return server.cluster.create(self.kind(server, resource), namespace, body, manager="user")

    def add_cluster(self, name: str) -> None:
        kubeconfig = Config(server=self.members[name].url).to_kubeconfig()
        if not self.hub.cluster.store.get(SECRETS.group_kind, (SYSTEM_NAMESPACE, name)):
            data = {"kubeconfig": base64.b64encode(kubeconfig).decode()}
            self.put(self.hub, SECRETS, name, SYSTEM_NAMESPACE, data=data)
        spec = {"connection": {"direct": {"kubeconfigSecret": name}}}
        self.put(self.hub, CLUSTERS, name, labels={"env": self.random.choice(("prod", "test"))}, spec=spec)

    def add_bystander(self, member: str, namespace: str, labels: Json | None = None) -> None:
        server = self.members[member]
        name = f"bystander-{len(self.bystanders)}"
        self.put(server, CONFIGMAPS, name, namespace, labels=labels, data={"v": "mine"})
        about = ObjectId("", "ConfigMap", namespace, name)
        self.bystanders[member, about] = server.cluster.get(self.kind(server, CONFIGMAPS), namespace, name)

    def applications(self) -> list[Json]:
        return list(self.hub.cluster.store.all(APPLICATIONS.group_kind).values())

    def clusters(self) -> list[Json]:
        return list(self.hub.cluster.store.all(CLUSTERS.group_kind).values())

    def ours(self, member: str) -> list[Json]:
        """The objects on `member` that are labelled as this hub's, sorted."""
        store = self.members[member].cluster.store
        found = (body for kind in (CONFIGMAPS.group_kind, DEPLOYMENTS.group_kind) for body in store.all(kind).values())
        mine = [b for b in found if (b["metadata"].get("labels") or {}).get(LABEL_HUB) == HUB_ID]
        return sorted(mine, key=lambda body: (body["kind"], body["metadata"]["name"]))

    # Who else works here

    def later(self, seconds: float, what: Callable[[], object]) -> None:
        """Do it in a while, on nobody's behalf."""
        self.loop.call_later(seconds, what, context=self._harness)

    def _roll_out(self, member: Server, write: Write) -> None:
        """What a Deployment's controller does: its Pods come, after a while."""
        if write.kind != DEPLOYMENTS.group_kind or write.new is None:
            return
        generation = write.new["metadata"]["generation"]
        if write.old is None or write.old["metadata"]["generation"] != generation:
            self.later(self.random.uniform(*ROLLOUT), lambda: self._rolled_out(member, write.name, generation))

    def _rolled_out(self, member: Server, name: tuple[str, str], generation: int) -> None:
        live = member.cluster.store.get(DEPLOYMENTS.group_kind, name)
        if live is None or live["metadata"]["generation"] != generation:
            return
        count = live["spec"].get("replicas", 1)
        names = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
        status = {"observedGeneration": generation, **dict.fromkeys(names, count)}
        kind = self.kind(member, DEPLOYMENTS)
        member.cluster.update(
            kind, *name, {**live, "status": status}, manager="kube-controller-manager", subresource="status"
        )

    def begin_fight(self, member: str, about: ObjectId, seconds: float) -> None:
        now = self.loop.time()
        self.watchman.fights[member, about] = Fight(now, now + seconds)
        self.meddle(member, about)

    def begin_siege(self, member: str, seconds: float, retry_after: int | None) -> None:
        """The member answers 429 to everything; after a while hubs should have learnt not to ask much."""
        server = self.members[member]
        rule = Rule(Refuse(429, "TooManyRequests", retry_after))
        server.faults.rules.insert(0, rule)
        self.later(LEARNING, lambda: self._besieged(server, rule, seconds - LEARNING))

    def _besieged(self, server: Server, rule: Rule, seconds: float) -> None:
        before, state, lives = server.received.total(), server.connections, self.started

        def end() -> None:
            undisturbed = rule in server.faults.rules and (state, lives) == (server.connections, self.started)
            if rule in server.faults.rules:
                server.faults.rules.remove(rule)
            if undisturbed:
                self.sieges += 1
                self.watchman.besieged(server, server.received.total() - before, seconds)

        self.later(seconds, end)

    def _fight_back(self, member: Server, write: Write) -> None:
        about = ObjectId(*write.kind, *write.name)
        fight = self.watchman.fights.get((member.name, about))
        if fight is not None and member.by and write.new is not None and self.loop.time() < fight.ends:
            self.later(self.random.uniform(0.001, 2.0), lambda: self.meddle(member.name, about))

    def meddle(self, member: str, about: ObjectId, *, delete: bool = False) -> bool:
        """Somebody edits, or deletes, an object on a member."""
        server = self.members[member]
        kind = server.cluster.kinds.of(about.group_kind)
        live = server.cluster.store.get(about.group_kind, (about.namespace, about.name))
        if kind is None or live is None:
            return False
        try:
            if delete:
                server.cluster.delete(kind, about.namespace, about.name)
            else:
                edit = {"data": {"v": RIVAL}} if about.kind == "ConfigMap" else {"spec": {"paused": True}}
                server.cluster.patch(kind, about.namespace, about.name, edit, manager=RIVAL)
        except Refusal:
            return False
        return True

    # Hub processes

    def start_hub(self) -> HubProcess:
        self.started += 1
        process = HubProcess(f"hub-{self.started}", self.hub, self.servers, self.loop)
        self.processes.append(process)
        return process

    async def kill_hub(self, process: HubProcess) -> None:
        self.processes.remove(process)
        left = await process.kill()
        if left:
            self.watchman.complain(f"{process.name} left tasks behind: {', '.join(sorted(left))}")

    async def restore(self, snapshot: Snapshot) -> None:
        """The hub's etcd is put back with the hub stopped; then it is started."""
        running = len(self.processes)
        while self.processes:
            await self.kill_hub(self.processes[0])
        self.hub.cluster.store.restore(snapshot)
        self.hub.cut()
        self.restored = True
        held = (b["metadata"] for b in self.applications() if FINALIZER in b["metadata"].get("finalizers", ()))
        known = {metadata["uid"] for metadata in held}  # another may go before a hub has seen that it is there
        self.lost |= self.history.uids - known
        self.watchman.cut = Cut(self.loop.time(), snapshot.revision, self._epoch())
        self.history.note()
        await asyncio.sleep(0.1)
        for _ in range(max(1, running)):
            self.start_hub()

    def _epoch(self) -> int:
        found = self.hub.cluster.store.get(CONFIGMAPS.group_kind, (SYSTEM_NAMESPACE, HUB_CONFIGMAP))
        return int(found["data"]["epoch"]) if found else 0

    async def raise_epoch(self) -> None:
        """What an administrator does when what the hub says is to count again."""
        kind = self.kind(self.hub, CONFIGMAPS)
        data = {"data": {"epoch": str(self.started + 1)}}
        self.hub.cluster.patch(kind, SYSTEM_NAMESPACE, HUB_CONFIGMAP, data, manager="user")
        for process in list(self.processes):
            await self.kill_hub(process)
        self.start_hub()

    @property
    def kinds(self) -> tuple[GroupKind, ...]:
        return CONFIGMAPS.group_kind, DEPLOYMENTS.group_kind
