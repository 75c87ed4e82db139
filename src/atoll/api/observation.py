"""How an application does on one cluster, as seen from the live objects."""

import msgspec

from atoll.api.objects import Key, ObjectId
from atoll.api.status import Health


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong, with its cause as the member names it. `since` is epoch seconds, 0 when unknown."""

    object: ObjectId
    reason: str
    message: str = ""
    count: int = 1
    since: float = 0.0


class ObjectHealth(msgspec.Struct, frozen=True):
    """Health of one live object; `ready` of `desired` replicas where it has any."""

    health: Health
    reason: str = ""
    message: str = ""
    ready: int | None = None
    desired: int | None = None


class Observation(msgspec.Struct, frozen=True):
    """The application on one cluster: the worst of its objects, replicas summed, what is wrong."""

    key: Key
    uid: str
    cluster: str
    health: Health
    ready: int | None = None
    desired: int | None = None
    problems: tuple[Problem, ...] = ()
    statuses: tuple[tuple[ObjectId, msgspec.Raw], ...] = ()
    """With `tell_status`: of each object that has one, its `status` as JSON."""
    carry: dict[str, str] = {}
    """What `failover.carry` names, by name, as far as it is there."""
