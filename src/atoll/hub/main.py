"""`atoll hub`: one process, from its options to its end."""

import gc
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from ipaddress import IPv4Network, IPv6Network

import msgspec
import structlog

from atoll.api.names import LEASE_HUB, SYSTEM_NAMESPACE
from atoll.api.objects import Json, Key
from atoll.api.validate import Issue
from atoll.fleet.identity import hub_identity
from atoll.hub.agents.endpoint import serve_agents
from atoll.hub.agents.relay import Relay, own_address
from atoll.hub.birth import held_from_birth, hold_no_longer
from atoll.hub.hub import Hub
from atoll.hub.kubefed.control_plane import ControlPlane
from atoll.hub.shared_webhook import serve_shared_webhook
from atoll.hub.standby import StandbyJudge
from atoll.hub.webhook import admission, serve_webhook
from atoll.kube.client import Client
from atoll.kube.config import Config
from atoll.kube.errors import KubeError
from atoll.kube.throttle import throttled
from atoll.kube.transport import Transport
from atoll.runtime.lease import LeaderElection
from atoll.runtime.supervise import until_signalled
from atoll.telemetry.serving import STANDBY, serve_health

log = structlog.get_logger(__name__)


class Options(msgspec.Struct, frozen=True):
    """How a hub runs. Addresses are host:port, port 0 a free one; `webhook_address` "" is no webhook.

    `webhook_host` is the name by which the API server reaches the webhook; with `webhook_service` it goes through that
    Service instead, and every process answers, whether it leads or not. `hold_from_birth`: see `birth`. `identity` is
    this process among several. Agents reach `agents_address` ("": there are none) by the names in `agents_hosts`.
    """

    config: Config
    identity: str
    metrics_address: str = "127.0.0.1:9090"
    webhook_address: str = "127.0.0.1:9443"
    webhook_host: str = "127.0.0.1"
    webhook_service: Key | None = None
    hold_from_birth: bool = True
    agents_address: str = ""
    agents_hosts: tuple[str, ...] = ("127.0.0.1",)
    elect: bool = True
    kubefed: str = ""
    """The namespace of the KubeFed control plane whose place is taken; "": none."""
    told: Callable[[str], None] | None = None
    """Where the lines go that KubeFed's controller manager logs at its start; None is this process's log."""
    throttle: tuple[float, int] | None = None
    """Requests a second to the hub's API server, and how many at once after a pause; None is as many as there are."""
    gate_addresses: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that checks of rollouts may ask although they are special, such as loopback."""


GARBAGE = 5_000, 20, 20
"""Thresholds of the garbage collector. What a hub remembers is much, lives long and rarely forms cycles: by Python's
own (700, 10, 10) it was looked through so often that it took a fifteenth of a wave of updates.
"""


async def run(options: Options) -> None:
    """Until SIGTERM or SIGINT. Raises KubeError when the hub's API server can't be reached at the start."""
    gc.set_threshold(*GARBAGE)
    if await until_signalled(_serve(options)):
        log.info("hub stopped")


async def _serve(options: Options) -> None:
    waiting = "starting"
    hub: Hub | None = None
    transport = throttled(*options.throttle) if options.throttle else Transport
    async with Client(options.config, transport=transport) as client, AsyncExitStack() as stack:
        identity = await hub_identity(client)
        address = await stack.enter_async_context(
            serve_health(options.metrics_address, lambda: hub.unready if hub is not None else waiting)
        )
        log.info("serving", metrics=address, hub=identity.id, epoch=identity.epoch)
        plane = ControlPlane(client, options.kubefed, options.told) if options.kubefed else None
        if plane is not None:
            await plane.prepare()
        hooks = plane.hooks if plane is not None else ()
        standby = StandbyJudge(client)

        async def judge(body: Json) -> tuple[Issue, ...]:
            return await (standby.judge(body) if hub is None or hub.unready else hub.judge(body))

        relay: Relay | None = None
        if options.agents_address and options.elect:
            own = await own_address(options.config.server, options.agents_address)
            relay = Relay(client, options.agents_address, own)
        election = LeaderElection(client, LEASE_HUB, SYSTEM_NAMESPACE, options.identity) if options.elect else None

        def leads() -> bool:
            return (election is None or election.leading) and (plane is None or plane.leading)

        async def work() -> None:
            nonlocal hub
            identity = await hub_identity(client)  # read anew: the epoch may have been raised meanwhile
            hub = Hub(client, identity, leads, gate_addresses=options.gate_addresses, kubefed=options.kubefed)
            try:
                async with AsyncExitStack() as parts:
                    if options.hold_from_birth:
                        await parts.enter_async_context(held_from_birth(client, leads))
                    else:
                        await hold_no_longer(client)
                    if options.webhook_address and options.webhook_service is None:
                        await parts.enter_async_context(
                            serve_webhook(client, options.webhook_address, options.webhook_host, hub.judge, *hooks)
                        )
                    if relay is not None:
                        await parts.enter_async_context(relay.aside())
                    if options.agents_address:
                        await parts.enter_async_context(
                            serve_agents(client, identity.id, options.agents_address, options.agents_hosts, hub)
                        )
                    if plane is not None:
                        plane.begins()
                    await hub.run()
            finally:
                hub = None

        if options.webhook_address and options.webhook_service is not None:
            await stack.enter_async_context(
                serve_shared_webhook(
                    client, options.webhook_address, options.webhook_service, (admission(judge), *hooks)
                )
            )
        waiting = STANDBY
        if relay is not None:
            await stack.enter_async_context(relay.standing())
        await _elected(work, election, plane)


async def _elected(
    work: Callable[[], Awaitable[None]], election: LeaderElection | None, plane: ControlPlane | None
) -> None:
    """`work` whenever this process leads: first among the processes of its control plane, then on this cluster, which
    has one hub, whichever control planes there are.
    """

    async def lead() -> None:
        if election is None:
            await work()
            return
        if plane is not None:
            with suppress(KubeError):  # the election itself goes on trying
                await election.look()
                plane.waits(election.holder)
        await election.run(work)

    await (lead() if plane is None else plane.lead(lead))
