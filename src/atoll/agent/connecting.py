"""Keeps an agent connected to every address of its hub, and its certificate fresh."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from atoll.agent.state import Door, Folder, State
from atoll.api.times import format_time
from atoll.kube.errors import KubeError
from atoll.link.certificates import CertificateError, lifetime, make_request, renew_at
from atoll.link.dialling import LASTED, Back, DialError, dial, new_instance
from atoll.link.enrolment import renew
from atoll.link.listening import ELSEWHERE
from atoll.link.session import Lost
from atoll.link.sessions import LinkSession

log = structlog.get_logger(__name__)

UNWANTED = frozenset({"Replaced", "Left", "Revoked", "ClientCertificateRefused"})
"""Reasons after which dialling again soon would help nobody."""
RENEW_AGAIN = 30.0
LOOK = 60.0
"""Seconds between two looks at the clock."""

Attend = Callable[[LinkSession], Awaitable[None]]
"""What an agent does on a session, for as long as it lasts."""


class Connector:
    """`run()` until cancelled. `serve(session)` is called before a session's first connection, `attend(session)` runs
    while it lasts; `connections` are made side by side to each address.
    """

    def __init__(
        self,
        folder: Folder,
        state: State,
        *,
        serve: Callable[[LinkSession], None],
        attend: Attend,
        connections: int = 1,
        back: Callable[[], Back] = Back,
    ) -> None:
        self._folder = folder
        self.state = self._kept = state
        self._serve = serve
        self._attend = attend
        self._connections = connections
        self._back = back
        self._instance, self._began = new_instance(), time.time_ns()
        self._sessions: dict[str, LinkSession] = {}
        self._doors: dict[str, Door] = {}
        self._lost = asyncio.Event()
        """Set when a session has ended, then another one."""
        self._scope = asyncio.TaskGroup()
        self._dialled: set[str] = set()

    def doors(self) -> tuple[Door, ...]:
        """How it goes with each address, now."""
        return tuple(self._measured(door) for door in self._doors.values())

    async def run(self) -> None:
        async with self._scope as scope:
            scope.create_task(self._renewing(), name="renewing")
            self._dial_all()

    def _dial_all(self) -> None:
        """Every address that is known now; one that is told of no more may still lead to the hub."""
        for address in self.state.addresses:
            if address not in self._dialled:
                self._dialled.add(address)
                self._scope.create_task(self._stay_connected(address), name=f"link {address}")

    async def _stay_connected(self, address: str) -> None:
        back = self._back()
        while True:
            began = time.monotonic()
            try:
                reason, message = await self._connected(address)
            except DialError as error:
                reason, message = error.reason, str(error)
            self._closed(address, reason, message)
            if time.monotonic() - began > LASTED:
                back.good()
            if reason == ELSEWHERE and self._sessions:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._lost.wait(), back.long())
                back.good()
            await asyncio.sleep(back.long() if reason in UNWANTED else back.next())

    async def _connected(self, address: str) -> tuple[str, str]:
        """One session, from its first connection to its end, and why it ended. Raises DialError."""
        session = LinkSession(self.state.hub)
        self._serve(session)
        try:
            for index in range(self._connections):
                await self._dial(address, session, index)
            self._sessions[address] = session
            self._doors[address] = Door(address, True, time.time())
            log.info("connected", hub=address)
            session.spawn(self._work(session))
            for index in range(self._connections):
                session.spawn(self._keep(address, session, index))
            lost = await session.wait_lost()
        finally:
            if self._sessions.pop(address, None) is not None:
                self._lost.set()
                self._lost = asyncio.Event()
            session.close(Lost("Closed", "the agent closed the connection"))
        return lost.reason, str(lost)

    async def _dial(self, address: str, session: LinkSession, index: int, *, renews: bool = False) -> None:
        config = self.state.config(address)
        try:
            await dial(config, session, instance=self._instance, index=index, renews=renews, began=self._began)
        except DialError as error:
            raise self._explained(error) from error

    def _explained(self, error: DialError) -> DialError:
        """A server that refuses a certificate may just close the connection; we know whether ours has ended."""
        end = lifetime(self.state.certificate.encode())[1]
        if error.reason not in {"Reset", "ClientCertificateRefused"} or time.time() < end:
            return error
        return DialError(
            "ClientCertificateRefused",
            f"this agent's certificate ended at {format_time(end)}, while it was away or its hub was: "
            f"`atoll cluster register {self.state.cluster}` on the hub brings it back",
        )

    async def _keep(self, address: str, session: LinkSession, index: int) -> None:
        """One of several connections, lost by itself, is made anew. With the last of them the session ends."""
        back = self._back()
        while True:
            await session.wait_without(index)
            await asyncio.sleep(back.next())
            try:
                await self._dial(address, session, index)
            except DialError as error:
                log.info("fewer connections than wanted", hub=address, reason=error.reason, why=str(error))
            else:
                back.good()

    async def _work(self, session: LinkSession) -> None:
        try:
            await self._attend(session)
        except Exception:
            log.exception("the work on a session failed")
            session.close(Lost("Failed", "the agent's own work failed"))

    def _closed(self, address: str, reason: str, message: str) -> None:
        before = self._doors.get(address)
        if reason == ELSEWHERE:
            log.debug("another address is enough", hub=address, why=message)
        elif before is None or before.connected or before.reason != reason:
            log.warning("not connected", hub=address, reason=reason, why=message)
        since = before.since if before is not None and not before.connected else time.time()
        self._doors[address] = Door(address, False, since, reason, message)

    def _measured(self, door: Door) -> Door:
        session = self._sessions.get(door.address)
        if session is None:
            return door
        connections = session.connections
        return msgspec.structs.replace(
            door,
            round_trip=min((c.round_trip for c in connections), default=0.0),
            received=session.received + sum(c.received for c in connections),
            sent=session.sent + sum(c.sent for c in connections),
        )

    # The certificate.

    async def _renewing(self) -> None:
        """By the wall clock, which is looked at often: a machine sleeps, a clock is set, and neither may outlast it."""
        while True:
            pause = LOOK
            try:
                if self.state is not self._kept:
                    await self._keep_state()
                begin, end = lifetime(self.state.certificate.encode())
                pause = min(pause, renew_at(self.state.certificate.encode()) - time.time())
                if pause <= 0:
                    await self._renew()
                    pause = min(LOOK, (end - begin) / 10)  # also where our clock takes the new one for old
            except (DialError, CertificateError, KubeError, OSError) as error:
                log.warning("certificate not renewed, or not kept", why=str(error))
                pause = RENEW_AGAIN
            await asyncio.sleep(pause)

    async def _renew(self) -> None:
        """A new certificate for the same key, then new connections with it before the old ones go."""
        address = next(iter(self._sessions), self.state.addresses[0])
        welcome = await renew(self.state.config(address), make_request(self.state.key.encode()))
        lifetime(welcome.certificate.encode())
        addresses = self.state.told(welcome.addresses)
        self.state = msgspec.structs.replace(self.state, certificate=welcome.certificate, addresses=addresses)
        log.info("certificate renewed")
        self._dial_all()
        for place, session in list(self._sessions.items()):
            for index in range(self._connections):
                try:
                    await self._dial(place, session, index, renews=True)
                except DialError as error:
                    log.info("connection not renewed", hub=place, reason=error.reason, why=str(error))
        await self._keep_state()

    async def _keep_state(self) -> None:
        state = self.state
        await self._folder.save(state)
        self._kept = state
