"""Keeps an agent connected to every address of its hub, and its certificate fresh."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from atoll.agent.state import Door, Folder, State
from atoll.link.certificates import CertificateError, make_request, renew_at
from atoll.link.dialling import LASTED, Back, DialError, dial, new_instance
from atoll.link.enrolment import renew
from atoll.link.listening import ELSEWHERE
from atoll.link.session import Lost
from atoll.link.sessions import LinkSession

log = structlog.get_logger(__name__)

UNWANTED = frozenset({"Replaced", "Left", "Revoked"})
"""Reasons after which dialling again soon would help nobody."""
RENEW_AGAIN = 30.0

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
        self.state = state
        self._serve = serve
        self._attend = attend
        self._connections = connections
        self._back = back
        self._instance = new_instance()
        self._sessions: dict[str, LinkSession] = {}
        self._doors: dict[str, Door] = {}
        self._lost = asyncio.Event()
        """Set when a session has ended, then another one."""

    def doors(self) -> tuple[Door, ...]:
        """How it goes with each address, now."""
        return tuple(self._measured(door) for door in self._doors.values())

    async def run(self) -> None:
        async with asyncio.TaskGroup() as scope:
            scope.create_task(self._renewing(), name="renewing")
            for address in self.state.addresses:
                scope.create_task(self._stay_connected(address), name=f"link {address}")

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
                await dial(self.state.config(address), session, instance=self._instance, index=index)
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

    async def _keep(self, address: str, session: LinkSession, index: int) -> None:
        """One of several connections, lost by itself, is made anew. With the last of them the session ends."""
        back = self._back()
        while True:
            await session.wait_without(index)
            await asyncio.sleep(back.next())
            try:
                await dial(self.state.config(address), session, instance=self._instance, index=index)
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
        while True:
            pause = renew_at(self.state.certificate.encode()) - time.time()
            await asyncio.sleep(max(pause, 0.05))
            try:
                await self._renew()
            except (DialError, CertificateError) as error:
                log.warning("certificate not renewed", why=str(error))
                await asyncio.sleep(RENEW_AGAIN)

    async def _renew(self) -> None:
        """A new certificate for the same key, then new connections with it before the old ones go."""
        address = next(iter(self._sessions), self.state.addresses[0])
        welcome = await renew(self.state.config(address), make_request(self.state.key.encode()))
        addresses = self.state.told(welcome.addresses)
        self.state = msgspec.structs.replace(self.state, certificate=welcome.certificate, addresses=addresses)
        await self._folder.save(self.state)
        log.info("certificate renewed")
        for place, session in list(self._sessions.items()):
            for index in range(self._connections):
                await dial(self.state.config(place), session, instance=self._instance, index=index, renews=True)
