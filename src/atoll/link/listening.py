"""The hub's end: an HTTP request of an agent becomes one connection of its session."""

import asyncio
import time
from collections.abc import Callable

import msgspec
import structlog
from aiohttp import hdrs, web

from atoll.link import websocket
from atoll.link.connection import Connection
from atoll.link.frames import VERSION
from atoll.link.session import Lost
from atoll.link.sessions import LinkSession
from atoll.link.sight import Sight

log = structlog.get_logger(__name__)

INSTANCE, INDEX, AGENT_VERSION, HUB = "Atoll-Instance", "Atoll-Connection", "Atoll-Version", "Atoll-Hub"
"""Headers: which run of the agent this is, which of its connections side by side, its version; the hub's id."""
ADDRESS = "Atoll-Address"
"""Header: the address that the agent dials. Several may lead to one hub process: one connection is enough."""
ELSEWHERE = "AlreadyConnected"
BEGAN = "Atoll-Began"
"""Header: when this run of the agent began, nanoseconds of the epoch. Of two runs the later one is the agent."""
RENEWS = "Atoll-Renews"
"""Header: the connection takes the place of one that still works, whose certificate ends."""
CONNECTIONS_MOST = 16


class Arrival(msgspec.Struct, frozen=True):
    """Who has come: `instance` is another one each time the agent is started, which was at `began` (nanoseconds of the
    epoch, 0 where it doesn't say).
    """

    peer: str
    instance: str
    version: str
    address: str
    dialled: str = ""
    began: int = 0


def subprotocol(version: int) -> str:
    return f"{websocket.SUBPROTOCOL}.{version}"


def refusal(status: int, reason: str, message: str) -> web.Response:
    """What an agent is told instead of a connection: JSON that `dialling` reads."""
    return web.json_response({"reason": reason, "message": message}, status=status)


def _expiring(session: LinkSession, connection: Connection, until: float) -> asyncio.TimerHandle:
    """A certificate that has ended proves nothing more. One that was renewed has a time of its own to end in."""

    def end() -> None:
        if connection in session.connections:
            connection.close(Lost("Expired", "the certificate by which the agent came in has ended"))

    return asyncio.get_running_loop().call_later(max(0.0, until - time.time()), end)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 20 else 0


class Listener:
    """The sessions of all agents of one hub process. `arrived(session, arrival)` is called for a new session, before
    any of its streams; the newest run of an agent replaces an older one, which is refused from then on: else two that
    run by mistake would take turns, and cut every stream each time.
    """

    def __init__(self, hub_id: str, arrived: Callable[[LinkSession, Arrival], None]) -> None:
        self._hub_id = hub_id
        self._arrived = arrived
        self._sessions: dict[str, tuple[Arrival, LinkSession]] = {}
        self._began: dict[str, float] = {}
        self._certificates: dict[str, float] = {}
        self._before: dict[str, Sight] = {}

    def session(self, peer: str) -> LinkSession | None:
        """The session with `peer` now."""
        found = self._sessions.get(peer)
        return found[1] if found is not None and found[1].alive else None

    def arrival(self, peer: str) -> Arrival | None:
        found = self._sessions.get(peer)
        return found[0] if found is not None and found[1].alive else None

    def sight(self, peer: str) -> Sight | None:
        """How it goes with `peer` now; None when it was never here."""
        found = self._sessions.get(peer)
        return self._sight(*found) if found is not None and found[1].alive else self._before.get(peer)

    def _sight(self, arrival: Arrival, session: LinkSession) -> Sight:
        connections = session.connections
        return Sight(
            connected=session.alive,
            since=self._began[arrival.peer],
            heard=time.time() - min((c.silent for c in connections), default=0.0),
            version=arrival.version,
            address=arrival.address,
            connections=len(connections),
            round_trip=min((c.round_trip for c in connections if c.round_trip), default=0.0),
            received=session.received + sum(c.received for c in connections),
            sent=session.sent + sum(c.sent for c in connections),
            certificate=self._certificates.get(arrival.peer, 0.0),
        )

    def close(self, peer: str, cause: Lost) -> None:
        """End the session with `peer`, if there is one."""
        if (session := self.session(peer)) is not None:
            session.close(cause)

    def close_all(self, cause: Lost) -> None:
        for _, session in list(self._sessions.values()):
            session.close(cause)

    def drain(self, reason: str, message: str = "") -> None:
        """This process will end: agents are to look for another."""
        for _, session in list(self._sessions.values()):
            session.drain(reason, message)

    async def upgrade(self, request: web.BaseRequest, peer: str, until: float = 0.0) -> web.StreamResponse:
        """Serve `request` of `peer`, who has proved to be it, for as long as the connection lasts. `until`: when the
        certificate ends that proved it (epoch seconds).
        """
        refused = self._check(request)
        if refused is not None:
            return refused
        arrival = Arrival(
            peer,
            request.headers[INSTANCE][:64],
            request.headers.get(AGENT_VERSION, "")[:64],
            request.remote or "",
            request.headers.get(ADDRESS, "")[:256],
            _number(request.headers.get(BEGAN, "")),
        )
        now = self.arrival(peer)
        if now is not None and now.instance == arrival.instance and now.dialled != arrival.dialled:
            return refusal(409, ELSEWHERE, f"this hub process is reached by {now.dialled} already")
        if now is not None and now.instance != arrival.instance and 0 < arrival.began < now.began:
            return refusal(
                409, "Replaced", f"a later agent of {peer} is connected, from {now.address}: stop one of both"
            )
        response = web.StreamResponse(
            status=101,
            headers={
                hdrs.UPGRADE: "websocket",
                hdrs.CONNECTION: "Upgrade",
                hdrs.SEC_WEBSOCKET_ACCEPT: websocket.accept_key(request.headers[hdrs.SEC_WEBSOCKET_KEY]),
                hdrs.SEC_WEBSOCKET_PROTOCOL: subprotocol(VERSION),
                HUB: self._hub_id,
            },
        )
        try:
            await response.prepare(request)
        except ConnectionError:  # it waited too long, while many came at once
            log.info("agent gave up", cluster=peer, address=arrival.address)
            return response
        transport = request.transport
        if transport is None:
            return response
        session = self._admit(arrival)
        self._certificates[peer] = until
        connection = Connection(transport, transport.get_protocol(), dialled=False, peer=peer, offered=session.offered)
        index = int(request.headers.get(INDEX, "0"))
        session.connected(index, connection, renews=request.headers.get(RENEWS) == "yes")
        connection.start()
        log.info("agent connected", cluster=peer, address=arrival.address, version=arrival.version)
        expiry = _expiring(session, connection, until) if until else None
        lost = await asyncio.shield(connection.lost)
        if expiry is not None:
            expiry.cancel()
        log.info("agent disconnected", cluster=peer, reason=lost.reason, why=str(lost))
        return response

    @staticmethod
    def _check(request: web.BaseRequest) -> web.Response | None:
        offered = [p.strip() for p in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",")]
        upgrades = request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
        if not upgrades or hdrs.SEC_WEBSOCKET_KEY not in request.headers:
            return refusal(400, "Protocol", "a WebSocket is expected here; is a proxy in the way that drops upgrades?")
        if subprotocol(VERSION) not in offered:
            return refusal(
                426, "Version", f"the hub speaks {subprotocol(VERSION)}, the agent {', '.join(offered)}; update it"
            )
        index = request.headers.get(INDEX, "0")
        if (
            not request.headers.get(INSTANCE)
            or not (index.isdecimal() and len(index) < 4)
            or int(index) >= CONNECTIONS_MOST
        ):
            return refusal(400, "Protocol", f"{INSTANCE} and {INDEX} are missing or wrong")
        return None

    def _admit(self, arrival: Arrival) -> LinkSession:
        found = self._sessions.get(arrival.peer)
        if found is not None and found[1].alive:
            if found[0].instance == arrival.instance:
                return found[1]
            found[1].close(Lost("Replaced", f"another agent of {arrival.peer} has connected"))
        session = LinkSession(arrival.peer)
        self._sessions[arrival.peer] = (arrival, session)
        self._began[arrival.peer] = time.time()
        session.spawn(self._forget(arrival.peer, session))
        self._arrived(session, arrival)
        return session

    async def _forget(self, peer: str, session: LinkSession) -> None:
        try:
            await session.wait_lost()
        finally:
            if (found := self._sessions.get(peer)) is not None and found[1] is session:
                self._before[peer] = msgspec.structs.replace(self._sight(*found), since=time.time())
                del self._sessions[peer]
