"""`atoll cluster drain`: what is still on the cluster, until nothing is that could leave."""

import asyncio
import time
from collections.abc import Callable

from atoll.api.status import PlacedCluster
from atoll.cli.application.view import read_view
from atoll.cli.changing import MANAGER, DryRun
from atoll.cli.exits import CommandError
from atoll.kube.client import Client
from atoll.kube.resources import APPLICATIONS, CLUSTERS
from atoll.plan.failover import NOWHERE

LOOK_EVERY = 1.0


class Draining:
    """One cluster, being drained."""

    def __init__(self, hub: Client, cluster: str) -> None:
        self._hub = hub
        self._cluster = cluster

    async def begin(self, dry_run: DryRun = DryRun.NONE) -> None:
        """Say so in the Cluster. Raises NotFound when there is none."""
        change = {"spec": {"cordoned": True, "drained": True}}
        if dry_run is not DryRun.CLIENT:
            dry = dry_run is DryRun.SERVER
            await self._hub.patch(CLUSTERS, self._cluster, "", change, type="merge", manager=MANAGER, dry_run=dry)

    async def watch(self, patience: float, say: Callable[[str], None]) -> tuple[str, ...]:
        """Until nothing leaves any more; each Application that stays, and why.

        Raises CommandError when `patience` seconds are over before.
        """
        end, told = time.monotonic() + patience, ""
        while True:
            there = await self._there()
            leaving = {name: placed for name, placed in there.items() if NOWHERE not in placed.why}
            if not leaving:
                return tuple(f"{name} stays: {NOWHERE}" for name in sorted(there))
            if time.monotonic() > end:
                waiting = ", ".join(sorted(leaving)[:5])
                raise CommandError(
                    f"cluster {self._cluster} is not drained after {round(patience)} s: {waiting} is still there, "
                    "until its replicas elsewhere are ready",
                    "it goes on being drained; `atoll app describe` says what is not ready",
                )
            text = f"{len(leaving)} of {len(there)} Applications on it are leaving"
            if text != told:
                say(text)
                told = text
            await asyncio.sleep(LOOK_EVERY)

    async def _there(self) -> dict[str, PlacedCluster]:
        """The Applications that are placed on the cluster, by namespace and name."""
        found: dict[str, PlacedCluster] = {}
        for item in (await self._hub.list(APPLICATIONS)).items:
            for placed in read_view(item).status.placement:
                if placed.cluster == self._cluster:
                    found[f"{item.namespace}/{item.name}"] = placed
        return found
