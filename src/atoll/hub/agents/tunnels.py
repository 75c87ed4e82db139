"""Clusters in tunnel mode: their agent's connection is the way, the rest is as with a direct one.

The hub speaks TLS with the member's API server end to end, inside a stream: an agent, or whoever takes it over, can cut
the way but neither read nor change what goes along it.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from functools import partial

import msgspec
import structlog

from atoll.fleet.link import Target
from atoll.fleet.rights import Rights
from atoll.kube.connection import Config
from atoll.kube.errors import ConfigError, Unreachable
from atoll.kube.through import Dial
from atoll.link import report
from atoll.link.destinations import tcp
from atoll.link.listening import Listener
from atoll.link.report import Report
from atoll.link.session import LinkError, Lost, Refused, Stream
from atoll.link.sessions import LinkSession

log = structlog.get_logger(__name__)

OPEN_TIMEOUT = 9.0
REPORTS_MOST = 2
"""Streams of one agent's reports: each may hold a line that isn't complete."""
PATIENCE = 12.0
"""Seconds that an agent has, from when it is first looked for, before it is away: as long as one in pull mode."""


class Tunnels:
    """What agents have reported, in memory. `changed(cluster)` is called when one came, reported, or was lost."""

    def __init__(self, listener: Listener, changed: Callable[[str], None]) -> None:
        self._listener = listener
        self._changed = changed
        self._reports: dict[str, Report] = {}
        self._dials: dict[str, Dial] = {}
        self._awaited: dict[str, float] = {}
        """Since when, on the monotonic clock."""

    def serve(self, session: LinkSession) -> None:
        """Take the reports of the agent at the other end."""
        listening: list[Stream] = []

        async def listen(stream: Stream) -> None:
            if len(listening) >= REPORTS_MOST:
                raise Refused("Busy", "an agent reports on one stream")
            listening.append(stream)
            try:
                async for told in report.reports(stream):
                    self._reports[session.peer] = told
                    self._changed(session.peer)
            except ValueError as error:
                log.warning("a report that can't be read", cluster=session.peer, error=str(error))
                stream.reset("Protocol")
            finally:
                listening.remove(stream)

        session.serve(listen, lambda target: target == report.TARGET)
        session.spawn_last(self._until_lost(session))

    async def _until_lost(self, session: LinkSession) -> None:
        await session.wait_lost()
        self._changed(session.peer)

    def connected(self, cluster: str) -> bool:
        return self._listener.session(cluster) is not None and cluster in self._reports

    def patience(self, cluster: str) -> float:
        """Seconds in which the agent of `cluster` may come before it is away; 0 once it came, or was waited for."""
        if self.connected(cluster):
            self._awaited[cluster] = float("-inf")
        now = time.monotonic()
        return max(0.0, self._awaited.setdefault(cluster, now) + PATIENCE - now)

    def target(self, cluster: str, uid: str) -> Target:
        """How `cluster` is reached now; `uid` is its identity, "" before its first contact. Raises ConfigError."""
        told = self._reports[cluster]
        try:
            namespaces = Rights.parse(told.rights).namespaces
        except ValueError as error:
            raise ConfigError(f"the agent of {cluster} reports {error}") from error
        config = Config(
            server=told.server,
            ca=told.ca.encode(),
            token=told.token,
            tls_server_name=told.tls_server_name,
            source=f"the agent of {cluster}",
            dial=self.dial(cluster),
        )
        place = msgspec.json.encode((told.server, told.ca, told.tls_server_name))
        return Target(cluster, config, hashlib.sha256(place).hexdigest(), uid or told.uid, namespaces)

    def config(self, cluster: str) -> Config:
        """Raises Unreachable when its agent isn't connected."""
        if not self.connected(cluster):
            raise away(cluster)
        return self.target(cluster, "").config

    def dial(self, cluster: str) -> Dial:
        """Makes connections to where the agent of `cluster` can reach; the same one each time it is asked for."""
        return self._dials.setdefault(cluster, partial(self._open, cluster))

    async def _open(self, cluster: str, host: str, port: int) -> asyncio.Transport:
        session = self._listener.session(cluster)
        if session is None:
            raise away(cluster)
        try:
            return await session.open_transport(tcp(host, port), timeout=OPEN_TIMEOUT)
        except Lost as error:
            raise away(cluster) from error
        except LinkError as error:
            raise Unreachable(error.reason, f"the agent of {cluster} can't reach {host}:{port}: {error}") from error

    def forget(self, cluster: str, cause: Lost) -> None:
        """The Cluster is gone, or another agent speaks for it: end the connection."""
        self._reports.pop(cluster, None)
        self._dials.pop(cluster, None)
        self._awaited.pop(cluster, None)
        self._listener.close(cluster, cause)


def away(cluster: str) -> Unreachable:
    return Unreachable(
        AGENT_AWAY, f"no agent of {cluster} is connected; `atoll cluster register {cluster}` tells how to start one"
    )


AGENT_AWAY = "AgentAway"
