"""The contract of a cluster, all of it. Lifetime is scope: a cluster that leaves is a cancelled task group."""

from typing import Protocol

from atoll.fleet.member import Member


class Aware(Protocol):
    """Something that works on every cluster: a deliverer, a collector, a capacity count."""

    async def engage(self, cluster: Member) -> None:
        """Work on `cluster` until cancelled.

        Called once each time the cluster becomes reachable. Cancellation means that it left or its connection changed;
        engage is then called again with a new Member. Raise to be called again with back-off.
        """
