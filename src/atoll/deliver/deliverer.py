"""The door of this room: deliveries and removals go in, outcomes come out."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from atoll.api.delivery import Delivery, Outcome, Removal
from atoll.api.objects import GroupKind, ObjectId
from atoll.deliver.compiled import Compiler
from atoll.deliver.heirs import Estate, Verdict
from atoll.deliver.session import Session, Targets
from atoll.deliver.stamp import Stamper
from atoll.fleet.member import Member


class Worker(Protocol):
    """Whoever brings one cluster to what is wanted there: a Session, or one who has an agent do it."""

    def retarget(self, uid: str) -> None:
        """Something else is wanted of application `uid`, or nothing."""
        ...

    def stock(self) -> Mapping[str, int]:
        """How many objects of ours each application has there, by its UID, as far as is known."""
        ...

    def knows(self) -> bool:
        """Whether that is all that there is: right after contact it isn't."""
        ...

    def clear_of(self, uid: str) -> bool:
        """Whether it is certain that nothing of application `uid` is there, or on its way."""
        ...

    def inherit(self, estate: Estate) -> None:
        """See to `estate` from now on, and decide about all of it anew."""
        ...


class Deliverer:
    """Brings every member to what was last submitted for it, and keeps it there.

    Level-triggered: of what was submitted for one application and cluster, the latest holds, also while the cluster is
    away. `report` is called with each change of an outcome, in the event loop. Belongs to one event loop.
    `count(cluster, uid, result, seconds)` is called for each object of Application `uid` that was worked on: applied,
    unchanged, conflict, refused, failed or deleted. `leads()` is asked before each request: once false, none is sent
    any more.
    """

    def __init__(
        self,
        report: Callable[[Outcome], None],
        *,
        count: Callable[[str, str, str, float], None] = lambda *_: None,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._report = report
        self._count = count
        self._leads = leads
        self._targets: dict[str, dict[str, Delivery | Removal]] = {}
        self._workers: dict[str, Worker] = {}
        self._compilers: dict[tuple[str, str], Compiler] = {}
        self._alive: Callable[[str], bool] | None = None
        self._estate = Estate()

    def submit(self, delivery: Delivery) -> None:
        """Have `delivery` on its cluster, as soon as that can be reached."""
        self._set(delivery)

    def remove(self, removal: Removal) -> None:
        """Have nothing of an application on a cluster. An outcome with `gone` says that it is so."""
        self._set(removal)

    def forget(self, cluster: str, uid: str) -> None:
        """Nothing is wanted of this application on this cluster: what is there stays as it is, and is unclaimed."""
        targets = self._targets.get(cluster, {})
        if targets.pop(uid, None) is not None and (worker := self._workers.get(cluster)):
            worker.retarget(uid)

    def close(self, cluster: str, uid: str) -> None:
        """The application is no more: as `forget`, but what is being removed still goes on until it is gone."""
        if not isinstance(self._targets.get(cluster, {}).get(uid), Removal):
            self.forget(cluster, uid)

    def forget_cluster(self, cluster: str) -> None:
        """The cluster is no longer managed: should it come back, nothing is wanted there until somebody says so."""
        self._targets.get(cluster, {}).clear()

    def claims_complete(self, alive: Callable[[str], bool]) -> None:
        """All applications have been loaded; `alive(uid)` says whether there is one of that UID.

        Before this, every UID may belong to one: nothing is unclaimed, and nothing of another UID is adopted.
        """
        self._alive = alive

    def unclaimed(self, cluster: str) -> dict[str, int]:
        """Objects on `cluster` that are labelled as this hub's, of no application that is alive or being removed.

        How many, by the UID in their label.
        """
        worker = self._workers.get(cluster)
        if worker is None or self._alive is None:
            return {}
        return {uid: number for uid, number in worker.stock().items() if not self._claimed(uid, cluster)}

    def knows(self, cluster: str) -> bool:
        """Whether it has been learnt what of ours is on `cluster`, since that was reached last."""
        worker = self._workers.get(cluster)
        return worker is not None and worker.knows()

    def clear_of(self, cluster: str, uid: str) -> bool:
        """Whether it is certain that nothing of application `uid` is on `cluster`, wanted there, or on its way."""
        worker = self._workers.get(cluster)
        return worker is not None and uid not in self._targets.get(cluster, ()) and worker.clear_of(uid)

    def inherit(
        self, labels: Mapping[str, str], kinds: Iterable[GroupKind], decide: Callable[[str, ObjectId], Verdict]
    ) -> None:
        """Look on every member for objects of `kinds` that have all of `labels` and belong to no Application.

        `decide(cluster, object)` is asked about each when it is found, when it changes, and about all of them whenever
        this is called: `keep` leaves it to a delivery, `delete` and `unmark` are carried out on that very object in
        that very state. Replaces what was said before; without kinds, nothing is looked for.
        """
        self._estate = Estate(dict(labels), frozenset(kinds), decide)
        for worker in self._workers.values():
            worker.inherit(self._estate)

    @property
    def estate(self) -> Estate:
        """What `inherit` said last."""
        return self._estate

    def targets(self, cluster: str) -> Targets:
        """What is wanted on `cluster` now, by application UID: a view that changes with it."""
        return self._targets.setdefault(cluster, {})

    @contextmanager
    def entrusted(self, cluster: str, worker: Worker) -> Iterator[None]:
        """Have `worker` see to `cluster` while the context lasts, instead of a session of ours."""
        self._workers[cluster] = worker
        try:
            yield
        finally:
            if self._workers.get(cluster) is worker:
                del self._workers[cluster]

    async def engage(self, member: Member) -> None:
        """Work on `member` until cancelled. Raises KubeError when it can't even be learnt what is there."""
        marked = member.hub.id, member.client.config.home
        compiler = self._compilers.setdefault(marked, Compiler(Stamper(*marked)))
        targets = self._targets.setdefault(member.name, {})
        session = Session(
            member,
            targets,
            compiler,
            self._report,
            lambda uid: self._claimed(uid, member.name),
            self._count,
            self._leads,
            self._estate,
        )
        with self.entrusted(member.name, session):
            await session.run()

    def _set(self, target: Delivery | Removal) -> None:
        self._targets.setdefault(target.cluster, {})[target.uid] = target
        if worker := self._workers.get(target.cluster):
            worker.retarget(target.uid)

    def _claimed(self, uid: str, cluster: str) -> bool:
        if self._alive is None or self._alive(uid):
            return True
        return uid in self._targets.get(cluster, ())
