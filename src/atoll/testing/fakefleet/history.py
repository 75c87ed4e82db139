"""What users wanted, and when: an own, simple reading of the hub's objects, apart from the planner's.

A hub learns late of what users do. So what it does is judged by what was wanted at any time since it could have known
no newer: `slowest` seconds before.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from atoll.api.objects import Json, ObjectId, identify
from atoll.kube.resources import APPLICATIONS, CLUSTERS
from atoll.testing.fakeapi.cluster import FakeCluster
from atoll.testing.fakeapi.store import Write

UNDISTURBED, SLOWEST = 5.0, 240.0
"""Seconds that a hub may be behind, before anything went wrong and afterwards: a watch that fell silent is given up
after 180.
"""


class Wish(NamedTuple):
    """One Application as it was: `spec` is what its user wrote."""

    uid: str
    namespace: str
    name: str
    spec: Json
    deleting: bool

    def names(self, about: ObjectId) -> bool:
        """Whether `about` is one of its objects."""
        own = (identify(body) for body in self.spec.get("manifests") or ())
        return any(i._replace(namespace=i.namespace or self.namespace) == about for i in own)

    def means(self, cluster: "Place") -> bool:
        """Whether its placement means `cluster`."""
        placement = self.spec["placement"]
        if placement.get("all"):
            return True
        if placement.get("clusters") and cluster.name not in placement["clusters"]:
            return False
        wanted = (placement.get("selector") or {}).get("matchLabels") or {}
        return all(cluster.labels.get(key) == value for key, value in wanted.items())


class Place(NamedTuple):
    """One Cluster as it was."""

    name: str
    labels: dict[str, str]
    deleting: bool


class Moment(NamedTuple):
    """What was wanted from `since` on."""

    since: float
    wishes: dict[str, Wish]
    places: dict[str, Place]

    def wants(self, uid: str, cluster: str, about: ObjectId) -> bool:
        """Whether Application `uid` wants object `about` on `cluster`."""
        return wants(self.wishes.get(uid), self.places.get(cluster), about)


def wants(wish: Wish | None, place: Place | None, about: ObjectId) -> bool:
    """Whether an Application wants object `about` on a cluster."""
    if wish is None or place is None or wish.deleting or place.deleting:
        return False
    return wish.means(place) and wish.names(about)


class History:
    """Every moment of one run."""

    def __init__(self, hub: FakeCluster, clock: Callable[[], float]) -> None:
        self.hub = hub
        self._clock = clock
        self.slowest = UNDISTURBED
        self._moments: list[Moment] = []
        self.uids: set[str] = set()
        """Of every Application that ever was."""
        self.note()

    @property
    def now(self) -> Moment:
        return self._moments[-1]

    def wrote(self, write: Write) -> None:
        """Take in one write on the hub."""
        if write.kind not in {APPLICATIONS.group_kind, CLUSTERS.group_kind}:
            return
        if write.old is None or write.new is None or _matters(write.old) != _matters(write.new):
            self.note()

    def note(self) -> None:
        """Something else is wanted from now on."""
        apps = self.hub.store.all(APPLICATIONS.group_kind).values()
        clusters = self.hub.store.all(CLUSTERS.group_kind).values()
        wishes = [
            Wish(m["uid"], m["namespace"], m["name"], body["spec"], "deletionTimestamp" in m)
            for body in apps
            for m in (body["metadata"],)
        ]
        places = [
            Place(m["name"], m.get("labels") or {}, "deletionTimestamp" in m)
            for body in clusters
            for m in (body["metadata"],)
        ]
        moment = Moment(self._clock(), {wish.uid: wish for wish in wishes}, {place.name: place for place in places})
        self._moments.append(moment)
        self.uids |= moment.wishes.keys()

    def may_want(self, uid: str, cluster: str, about: ObjectId, since: float) -> Iterator[bool]:
        """Whether it was wanted, in every way in which a hub may have put together what it knew of Applications and of
        clusters since `since`: it hears of them apart.
        """
        moments = list(self.since(since))
        wishes = {id(wish): wish for wish in (moment.wishes.get(uid) for moment in moments)}
        places = {id(place): place for place in (moment.places.get(cluster) for moment in moments)}
        for wish in wishes.values():
            for place in places.values():
                yield wants(wish, place, about)

    def since(self, time: float) -> Iterator[Moment]:
        """The moments that a hub may have had in mind since `time`."""
        begin = time - self.slowest
        for index in range(len(self._moments) - 1, -1, -1):
            yield self._moments[index]
            if self._moments[index].since <= begin:
                return


def _matters(body: Json) -> tuple[Any, ...]:
    metadata = body["metadata"]
    return metadata["generation"], metadata.get("labels"), metadata["uid"], "deletionTimestamp" in metadata
