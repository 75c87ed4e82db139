"""The collector: one verdict an application and cluster, kept by the member's watches, told when it changes."""

import time
from collections import defaultdict
from collections.abc import Callable

from atoll.api.application import HealthRule
from atoll.api.failover import Carry
from atoll.api.objects import Key, ObjectId
from atoll.api.observation import Observation
from atoll.fleet.member import Member
from atoll.observe.custom import compile_rules
from atoll.observe.site import Expectation, Site

Report = Callable[[Observation], None]


class Collector:
    """Works on every cluster (an Aware), and remembers what should be where while a cluster is away.

    `report` is called with each Observation that differs from the one before for that application and cluster, on the
    event loop. Nothing is reported of a cluster that is away; what was said last stands until it is back.
    """

    def __init__(self, report: Report, *, clock: Callable[[], float] | None = None) -> None:
        self._report = report
        self._clock = clock or time.time
        self._expected: dict[str, dict[str, Expectation]] = {}
        self._told: defaultdict[str, dict[str, Observation]] = defaultdict(dict)
        self._sites: dict[str, Site] = {}
        self._last: Expectation | None = None

    def expect(
        self,
        cluster: str,
        key: Key,
        uid: str,
        ids: frozenset[ObjectId],
        rules: tuple[HealthRule, ...] = (),
        carry: tuple[Carry, ...] = (),
        *,
        statuses: bool = False,
    ) -> None:
        """Application `uid` has these objects on `cluster`; replaces what was expected of it there before.

        `rules` are its own health rules, which hold for all its objects of their kinds; `carry` is what of them is told
        beside their health. With `statuses`, so is each object's raw status.
        """
        expectation = Expectation(key, uid, ids, compile_rules(rules), carry, statuses)
        if expectation == self._last:  # most clusters are to have the same
            expectation = self._last
        self._last = expectation
        mine = self._expected.setdefault(cluster, {})
        before = mine.get(uid)
        if before == expectation:  # nothing is kept twice
            return
        mine[uid] = expectation
        if site := self._sites.get(cluster):
            site.expect(before, expectation)

    def passed(self, cluster: str, uid: str) -> None:
        """Delivery has done what it could for now: what is not on `cluster` is missing. Until this is said, or a few
        seconds have gone by, it may be on its way.
        """
        if site := self._sites.get(cluster):
            site.passed(uid)

    def forget(self, cluster: str, uid: str) -> None:
        """The application has left the cluster."""
        self._told.get(cluster, {}).pop(uid, None)
        expectation = self._expected.get(cluster, {}).pop(uid, None)
        if expectation and (site := self._sites.get(cluster)):
            site.forget(expectation)

    def forget_cluster(self, cluster: str) -> None:
        """The cluster is no longer managed."""
        for uid in tuple(self._expected.get(cluster, ())):
            self.forget(cluster, uid)
        self._expected.pop(cluster, None)
        self._told.pop(cluster, None)

    def heard(self, observation: Observation) -> None:
        """Somebody else has looked: the agent of a cluster that only it can reach."""
        self._tell(observation)

    def observation(self, cluster: str, uid: str) -> Observation | None:
        """What was reported last."""
        return self._told.get(cluster, {}).get(uid)

    async def catch_up(self, cluster: str, uid: str) -> None:
        """Look at what has changed of application `uid` on `cluster` now, instead of at leisure."""
        if site := self._sites.get(cluster):
            await site.catch_up(uid)

    async def engage(self, cluster: Member) -> None:
        """Observe `cluster` until cancelled (see fleet.provider.Aware)."""
        site = Site(cluster, self._tell, self._clock)
        for expectation in self._expected.get(cluster.name, {}).values():
            site.expect(None, expectation)
        self._sites[cluster.name] = site
        try:
            await site.run()
        finally:
            site.close()
            if self._sites.get(cluster.name) is site:
                del self._sites[cluster.name]

    def _tell(self, observation: Observation) -> None:
        told = self._told[observation.cluster]
        expectation = self._expected.get(observation.cluster, {}).get(observation.uid)
        if expectation is None or told.get(observation.uid) == observation:
            return
        told[observation.uid] = observation
        self._report(observation)
