"""What the hub lends to those who talk with agents."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from atoll.api.delivery import Outcome
from atoll.deliver.deliverer import Deliverer
from atoll.fleet.capacity import Capacity
from atoll.fleet.identity import HubIdentity
from atoll.observe.collector import Collector


@dataclass(frozen=True)
class Terms:
    """The engine, and whom to tell what. The first argument is a cluster's name wherever there is one.

    `found(cluster, uid)`: an application's objects appeared there, or went. `changed(cluster)`: it is reached
    otherwise, or has other things to say. `owner(cluster, uid)` is whose the identity `uid` is, `debts(cluster, uid)`
    has removed what that cluster still owes, `alive(uid)` says whether there is an application of that UID, `moment()`
    how far the hub's API server had come when this process began. `leads()` is asked before each word to an agent: a
    process that was stopped and goes on finds out there first, as it does before it writes to a member itself.
    """

    identity: HubIdentity
    deliverer: Deliverer
    collector: Collector
    delivered: Callable[[Outcome], None]
    counted: Callable[[str, Capacity], None]
    found: Callable[[str, str], None]
    changed: Callable[[str], None]
    owner: Callable[[str, str], str]
    debts: Callable[[str, str], None]
    alive: Callable[[str], bool]
    moment: Callable[[], int]
    leads: Callable[[], bool]
    process: str = field(default_factory=lambda: secrets.token_hex(8))
