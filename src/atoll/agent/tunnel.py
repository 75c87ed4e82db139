"""Tunnel mode: the hub's connections go to the member's API server, and the hub is told with which token."""

import asyncio
import time
from urllib.parse import urlsplit

import structlog

from atoll.fleet import credentials
from atoll.fleet.join import place
from atoll.fleet.rights import Rights
from atoll.kube.client import Client
from atoll.kube.errors import Forbidden, KubeError, NotFound
from atoll.kube.resources import NAMESPACES
from atoll.link.destinations import Destinations, tcp
from atoll.link.report import TARGET, Report, encode
from atoll.link.session import LinkError
from atoll.link.sessions import LinkSession

log = structlog.get_logger(__name__)

AGAIN = 5.0
"""Seconds after which a token that could not be had is asked for again."""


class Tunnel:
    """`member` is a client of the API server that the hub reaches, with rights to make the hub's account, or at least
    to issue its tokens.
    """

    def __init__(self, member: Client, rights: Rights) -> None:
        self._member = member
        self._rights = rights
        where = urlsplit(member.config.server)
        port = where.port or (443 if where.scheme == "https" else 80)
        self._destinations = Destinations([tcp(where.hostname or "", port)])
        self._placed = False

    def serve(self, session: LinkSession) -> None:
        """The API server, and nothing else, can be reached from the hub."""
        self._destinations.serve(session)

    async def attend(self, session: LinkSession) -> None:
        """Report a token, and a new one at half its life, while the session lasts."""
        stream = await session.open(TARGET)
        while True:
            try:
                report = await self._report(session.peer)
            except KubeError as error:
                log.warning("no token for the hub", why=str(error))
                await asyncio.sleep(AGAIN)
                continue
            try:
                await stream.write(encode(report))
            except LinkError:
                return
            await asyncio.sleep(max(AGAIN, (report.expires - report.issued) / 2))

    async def _report(self, hub: str) -> Report:
        if not self._placed:
            try:
                await place(self._member, hub, self._rights)
            except Forbidden:
                log.info("the hub's account is left as it is: this agent may not change it")
            self._placed = True
        try:
            token = await credentials.issue(self._member, hub)
        except NotFound:  # somebody took the account away, perhaps a hub in the middle of letting the cluster go
            self._placed = False
            raise
        config = self._member.config
        return Report(
            server=config.server,
            ca=config.ca.decode(),
            token=token.value,
            uid=(await self._member.get(NAMESPACES, "kube-system")).uid,
            issued=token.issued or time.time(),
            expires=token.expires,
            rights=str(self._rights),
            tls_server_name=config.tls_server_name,
        )
