"""A cluster that can be reached now."""

from dataclasses import dataclass

from atoll.fleet.identity import HubIdentity
from atoll.kube.client import Client
from atoll.runtime.watchset import WatchSet


@dataclass(frozen=True)
class Member:
    """One reachable cluster: its client, and the watches of everything on it that is labelled as this hub's.

    A Member lives as long as its connection; `uid` is its kube-system namespace's, its identity across names.
    """

    name: str
    uid: str
    version: str
    client: Client
    hub: HubIdentity
    watches: WatchSet
