"""The agent's end: it dials every address of its hub that it is told of, and dials again when a connection is lost."""

import base64
import os
import random
import secrets
from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec
import structlog
from aiohttp import hdrs

from atoll import __version__
from atoll.kube.connection import Config
from atoll.kube.diagnosis import diagnose
from atoll.kube.errors import ConfigError
from atoll.kube.proxies import proxy_for
from atoll.kube.tls import context_for
from atoll.link import websocket
from atoll.link.connection import Connection
from atoll.link.frames import VERSION
from atoll.link.listening import ADDRESS, AGENT_VERSION, BEGAN, HUB, INDEX, INSTANCE, RENEWS, subprotocol
from atoll.link.sessions import LinkSession

log = structlog.get_logger(__name__)

LINK_PATH = "/link"
DIAL_TIMEOUT = 15.0
FIRST_MOST, LATER_MOST = 2.0, 4.0
"""Seconds: a lost connection is dialled again after a time by chance up to the first, doubled up to the second, so that
a thousand agents whose hub restarts come one by one; and a hub that was away for long knows how all are within 5 s."""
UNWANTED_MOST = 30.0
"""Seconds, for one whom the hub doesn't want: dialling soon helps nobody."""
LASTED = 30.0
"""Seconds after which a connection counts as good, and the next loss starts at the first again."""


class DialError(Exception):
    """The hub can't be reached, or doesn't want us. `reason` is one word, the text says what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


async def dial(
    hub: Config, session: LinkSession, *, instance: str, index: int = 0, renews: bool = False, began: int = 0
) -> Connection:
    """Connect `session` with `hub`, and count the connection in as its number `index`. Raises DialError.

    `instance` is this run of the agent, which began at `began` (nanoseconds of the epoch).

    `hub` carries the hub's CA and our certificate; HTTPS_PROXY is honoured. `renews`: what has this number now works,
    and is let go gently.
    """
    proxy = proxy_for(hub.server, hub.proxy_url)
    http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=DIAL_TIMEOUT), cookie_jar=aiohttp.DummyCookieJar())
    try:
        context = context_for(hub)
        key = base64.b64encode(os.urandom(16)).decode()
        response = await http.get(
            hub.server + LINK_PATH,
            headers={
                hdrs.UPGRADE: "websocket",
                hdrs.CONNECTION: "Upgrade",
                hdrs.SEC_WEBSOCKET_VERSION: "13",
                hdrs.SEC_WEBSOCKET_KEY: key,
                hdrs.SEC_WEBSOCKET_PROTOCOL: subprotocol(VERSION),
                INSTANCE: instance,
                INDEX: str(index),
                BEGAN: str(began),
                AGENT_VERSION: __version__,
                RENEWS: "yes" if renews else "no",
                ADDRESS: hub.server,
            },
            ssl=context if hub.server.startswith("https") else True,
            server_hostname=hub.tls_server_name or None,
            proxy=proxy or None,
            allow_redirects=False,
        )
        if response.status != 101 or response.headers.get(hdrs.SEC_WEBSOCKET_ACCEPT) != websocket.accept_key(key):
            raise await refused_by(response)
        connection = _take_over(http, response, session)
    except ConfigError as error:
        await http.close()
        raise DialError("Certificate", str(error)) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        await http.close()
        told = diagnose(error, hub, proxy)
        raise DialError(told.reason, str(told)) from error
    except BaseException:
        await http.close()
        raise
    session.connected(index, connection, renews=renews)
    connection.start()
    return connection


def _take_over(http: aiohttp.ClientSession, response: aiohttp.ClientResponse, session: LinkSession) -> Connection:
    under = response.connection
    if under is None or under.transport is None or under.protocol is None:
        raise DialError("Reset", "the connection was lost while it was made")
    if response.headers.get(HUB) != session.peer:
        raise DialError("OtherHub", f"this is hub {response.headers.get(HUB)}, not {session.peer}")
    connection = Connection(under.transport, under.protocol, dialled=True, peer=session.peer, offered=session.offered)

    def ended(_: Any) -> None:
        response.close()
        session.spawn_last(http.close())

    connection.lost.add_done_callback(ended)
    return connection


async def beginning_of(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The body, up to `most` bytes of it."""
    body = b""
    while len(body) < most and (piece := await response.content.read(most - len(body))):
        body += piece
    return body


async def refused_by(response: aiohttp.ClientResponse) -> DialError:
    """Why the answer is no connection, in the hub's words if it is one."""
    body = await beginning_of(response, 4096)
    response.close()
    try:
        told = msgspec.json.decode(body, type=dict[str, str])
        return DialError(told["reason"], told["message"])
    except (msgspec.DecodeError, KeyError):
        text = body[:200].decode(errors="replace").strip()
        return DialError(
            "NotAtoll",
            f"{response.url.origin()} answers {response.status} {text!r}: is it the hub, or a proxy in the way?",
        )


class Back:
    """How long to wait before dialling again: full jitter over a doubling time."""

    def __init__(self, draw: Callable[[float, float], float] = random.uniform) -> None:
        self._draw = draw
        self._most = FIRST_MOST

    def good(self) -> None:
        self._most = FIRST_MOST

    def next(self) -> float:
        pause = self._draw(0.05, self._most)
        self._most = min(self._most * 2, LATER_MOST)
        return pause

    def long(self) -> float:
        """For one who isn't wanted."""
        return self._draw(UNWANTED_MOST / 2, UNWANTED_MOST)


def new_instance() -> str:
    """The name of this run of an agent."""
    return secrets.token_hex(8)
