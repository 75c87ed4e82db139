"""`atoll agent run`: one process, from the printed command to its end."""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

import msgspec
import structlog

from atoll import __version__
from atoll.agent.connecting import Connector
from atoll.agent.enrolling import Command, enrolled
from atoll.agent.pulling.agent import PullAgent
from atoll.agent.state import Door, Folder, News, State
from atoll.agent.tunnel import Tunnel
from atoll.fleet.rights import Rights
from atoll.kube.client import Client
from atoll.kube.connection import Config
from atoll.runtime.supervise import until_signalled
from atoll.telemetry.serving import serve_health

log = structlog.get_logger(__name__)

TELL_EVERY = 2.0


class Options(msgspec.Struct, frozen=True):
    """`member` is how this agent reaches its API server; `command` enrols it, where it isn't yet. At `health_address`
    (host:port, "" is nowhere) it says whether it lives, and whether it is connected.
    """

    folder: Folder
    member: Config
    command: Command | None
    rights: Rights = Rights()
    connections: int = 1
    health_address: str = ""


async def run(options: Options) -> None:
    """Until SIGTERM or SIGINT. Raises DialError, ValueError when there is nothing to go on with."""
    if await until_signalled(_serving(options)):
        log.info("agent stopped")


async def _serving(options: Options) -> None:
    health = Health()
    async with AsyncExitStack() as stack:
        if options.health_address:
            address = await stack.enter_async_context(serve_health(options.health_address, health.unready))
            log.info("serving", health=address)
        state = await enrolled(options.folder, options.command)
        await work(options, state, health)


class Health:
    """What the agent says of itself to whoever runs it."""

    def __init__(self) -> None:
        self.doors: Callable[[], tuple[Door, ...]] | None = None

    def unready(self) -> str:
        """Why it is of no use now; "" when it is connected."""
        if self.doors is None:
            return "not enrolled"
        doors = self.doors()
        if any(door.connected for door in doors):
            return ""
        return "; ".join(f"{door.address}: {door.reason}" for door in doors) or "not connected"


async def work(options: Options, state: State, health: Health | None = None) -> None:
    """Do what `state.mode` says, until cancelled."""
    health = health or Health()
    match state.mode:
        case "tunnel":
            await _tunnel(options, state, health)
        case "pull":
            await _pull(options, state, health)
        case mode:
            raise ValueError(f"Cluster {state.cluster} is in mode {mode}, which this agent doesn't know: update it")


async def _pull(options: Options, state: State, health: Health) -> None:
    agent = PullAgent(options.member, namespaces=options.rights.namespaces)
    connector = Connector(
        options.folder, state, serve=agent.serve, attend=agent.keep_attending, connections=options.connections
    )
    health.doors = connector.doors
    async with asyncio.TaskGroup() as scope:
        scope.create_task(agent.run())
        scope.create_task(_telling(options.folder, connector.doors))
        await connector.run()


async def _tunnel(options: Options, state: State, health: Health) -> None:
    async with Client(options.member) as member:
        tunnel = Tunnel(member, options.rights)
        connector = Connector(
            options.folder, state, serve=tunnel.serve, attend=tunnel.attend, connections=options.connections
        )
        health.doors = connector.doors
        async with asyncio.TaskGroup() as scope:
            scope.create_task(_telling(options.folder, connector.doors))
            await connector.run()


async def _telling(folder: Folder, doors: Callable[[], tuple[Door, ...]]) -> None:
    """For `atoll agent status`. A full disk is no reason to be gone."""
    trouble = ""
    while True:
        news = News(os.getpid(), time.time(), __version__, doors())
        before, trouble = trouble, ""
        try:
            await asyncio.to_thread(folder.tell, news)
        except OSError as error:
            trouble = str(error)
            if trouble != before:
                log.warning("status not written", why=trouble)
        await asyncio.sleep(TELL_EVERY)
