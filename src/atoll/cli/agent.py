"""`atoll agent`: what runs in a member that the hub can't reach."""

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from atoll.api.times import format_time
from atoll.cli.exits import CommandError, UsageError
from atoll.cli.options import check_address
from atoll.cli.printing import fields, note, table
from atoll.cli.session import Session
from atoll.cli.verbs import verb

agent = typer.Typer(
    name="agent",
    help="The agent of a member that the hub can't reach: it dials the hub.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
StateDir = Annotated[
    Path | None,
    typer.Option("--state-dir", metavar="DIR", help="What the agent keeps; else $ATOLL_AGENT_STATE, or by --cluster."),
]
SILENT = 15.0
"""Seconds after which an agent that says nothing of itself isn't running."""

HINTS = {
    "TokenExpired": "tokens live for an hour at most",
    "TokenUsed": "a command works once; the agent that used it keeps its state in its folder",
    "TokenUnknown": "atoll token list, on the hub",
    "WrongCluster": "--cluster has to be the name that was registered",
    "WrongAuthority": "take the command from the hub again, on a way that you trust",
    "CertificateNotYetValid": "set the clocks of hub and member by NTP",
    "CertificateExpired": "set the clocks of hub and member by NTP",
    "CertificateUntrusted": "something on the way opens TLS: let it pass the hub's address untouched",
    "ClientCertificateRefused": "was this agent away for longer than its certificate holds? register the cluster again",
    "NotAtoll": "is a proxy in the way? it has to pass CONNECT and WebSockets; HTTPS_PROXY and NO_PROXY say which",
    "Proxy": "see HTTPS_PROXY and NO_PROXY",
    "Left": "atoll cluster register NAME, on the hub, and run what it prints: it brings the cluster back",
    "Revoked": "another agent speaks for this cluster now; register it again if it is to be this one",
    "Replaced": "two agents with the same state run: stop one",
    "Refused": "is the hub running, with --agents-address, and is this its address?",
    "Timeout": "does a firewall drop what goes to the hub? HTTPS_PROXY says which proxy leads out",
    "DNS": "is the name of --hub right, and known in the member's network?",
    "NameMismatch": "start the hub with --agents-host for each name that agents use",
}


def register(app: typer.Typer) -> None:
    app.add_typer(agent)


@verb(agent, "run", serves=True)
async def run_agent(
    session: Session,
    hub: Annotated[str, typer.Option(metavar="URL", help="The hub, as `cluster register` printed it.")] = "",
    cluster: Annotated[str, typer.Option(metavar="NAME", help="The name that was registered.")] = "",
    token: Annotated[
        str, typer.Option(metavar="TOKEN", envvar="ATOLL_AGENT_TOKEN", help="Needed the first time only.")
    ] = "",
    hub_ca: Annotated[
        str,
        typer.Option(metavar="sha256:…", envvar="ATOLL_AGENT_HUB_CA", help="The fingerprint of the hub's authority."),
    ] = "",
    rights: Annotated[
        str, typer.Option(metavar="RIGHTS", help="What the hub may do: admin, or namespaces=a,b.")
    ] = "admin",
    connections: Annotated[
        int, typer.Option(min=1, max=16, help="To each address of the hub, side by side: for much traffic.")
    ] = 1,
    state_dir: StateDir = None,
    state_secret: Annotated[
        str, typer.Option(metavar="NAME", help="Keep key and certificate in this Secret of the member's atoll-system.")
    ] = "",
    health_address: Annotated[
        str,
        typer.Option(metavar="HOST:PORT", help="Where /healthz, /readyz and /metrics are served; empty is nowhere."),
    ] = "",
    log_format: Annotated[str, typer.Option(metavar="json|console", help="Else json unless on a terminal.")] = "",
    log_level: Annotated[str, typer.Option(metavar="LEVEL", help="debug, info, warning or error.")] = "info",
) -> None:
    """Run the agent, until it is stopped.

    --kubeconfig and --context say which API server is the member's; in a Pod it is the Pod's own. HTTPS_PROXY is
    honoured. The first time it enrols with the token; after that, --cluster or --state-dir are enough.
    """
    from atoll.agent.enrolling import Command
    from atoll.agent.kept import SecretFolder
    from atoll.agent.main import Options, run
    from atoll.agent.state import Folder
    from atoll.fleet.rights import Rights
    from atoll.link.dialling import DialError
    from atoll.runtime import failpoints
    from atoll.telemetry import set_up_logging

    check_address(health_address, "--health-address", may_be_none=True)
    try:
        set_up_logging(log_level, json=log_format == "json" if log_format else None)
        failpoints.arm(os.environ)
        granted = Rights.parse(rights)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if token and not (hub and cluster and hub_ca):
        raise UsageError("--token needs --hub, --cluster and --hub-ca", "copy the whole command")
    command = Command(hub.rstrip("/"), cluster, token, hub_ca) if token else None
    path = _folder(state_dir, cluster)
    folder = SecretFolder(path, session.config, state_secret) if state_secret else Folder(path)
    try:
        await run(Options(folder, session.config, command, granted, connections, health_address))
    except DialError as error:
        raise CommandError(f"{error.reason}: {error}", HINTS.get(error.reason, "")) from error
    except ValueError as error:
        raise CommandError(str(error)) from error


@verb(agent, "manifest")
async def agent_manifest(
    session: Session,
    hub: Annotated[str, typer.Option(metavar="URL", help="The hub, as `cluster register` printed it.")],
    cluster: Annotated[str, typer.Option(metavar="NAME", help="The name that was registered.")],
    token: Annotated[str, typer.Option(metavar="TOKEN", envvar="ATOLL_AGENT_TOKEN", help="Used once.")],
    hub_ca: Annotated[
        str,
        typer.Option(metavar="sha256:…", envvar="ATOLL_AGENT_HUB_CA", help="The fingerprint of the hub's authority."),
    ],
    hub_id: Annotated[str, typer.Option(metavar="ID", help="The hub's id, after which its account is named.")],
    mode: Annotated[str, typer.Option(metavar="tunnel|pull", help="As it was registered.")] = "tunnel",
    rights: Annotated[
        str, typer.Option(metavar="RIGHTS", help="What the hub may do: admin, or namespaces=a,b.")
    ] = "admin",
    image: Annotated[
        str, typer.Option(metavar="IMAGE", help="Atoll's image, best by digest; else atoll:VERSION.")
    ] = "",
    https_proxy: Annotated[str, typer.Option(metavar="URL", help="The proxy by which the hub is reached.")] = "",
) -> None:
    """Print the agent as a Deployment with its rights, for `kubectl apply -f -` in the member.

    `cluster register` prints the whole command. The YAML holds the token, which works once and within the hour; the
    agent keeps what it gets for it in Secret atoll-system/atoll-agent.
    """
    from atoll.fleet.register import MODES
    from atoll.fleet.rights import Rights
    from atoll.install.agent import AgentLayout, manifest
    from atoll.install.layout import IMAGE

    del session
    if mode not in MODES:
        raise UsageError(f"--mode: {mode!r}", f"one of: {', '.join(MODES)}")
    try:
        granted = Rights.parse(rights)
    except ValueError as error:
        raise UsageError(str(error)) from error
    layout = AgentLayout(cluster, mode, hub.rstrip("/"), token, hub_ca, hub_id, granted, image or IMAGE, https_proxy)
    print(manifest(layout), end="")


@verb(agent, "status")
async def agent_status(
    session: Session,
    cluster: Annotated[str, typer.Option(metavar="NAME", help="The name that was registered.")] = "",
    state_dir: StateDir = None,
) -> None:
    """Say how an agent on this machine does: is it connected, since when, and if not, why."""
    from atoll.agent.state import Folder
    from atoll.link.certificates import lifetime, renew_at
    from atoll.link.listening import ELSEWHERE

    del session
    folder = Folder(_folder(state_dir, cluster))
    try:
        state, news = await folder.load(), folder.news()
    except ValueError as error:
        raise CommandError(str(error)) from error
    if state is None:
        raise CommandError(f"there is no agent in {folder.path}", "atoll cluster register NAME, on the hub")
    certificate = state.certificate.encode()
    alive = news is not None and time.time() - news.at < SILENT
    print(
        fields(
            {
                "Cluster": state.cluster,
                "Mode": state.mode,
                "Hub": state.hub,
                "Running": f"pid {news.pid}, version {news.version}" if alive and news else "no",
                "Certificate": f"until {format_time(lifetime(certificate)[1])}, "
                f"renewed at {format_time(renew_at(certificate))}",
            }
        )
    )
    doors = news.doors if alive and news else ()
    rows = [
        (
            d.address,
            "connected" if d.connected else d.reason,
            format_time(d.since),
            f"{d.round_trip * 1000:.1f} ms" if d.round_trip else "",
            d.received,
            d.sent,
            d.message,
        )
        for d in doors
    ]
    if rows:
        print(table(["ADDRESS", "LINK", "SINCE", "ROUND TRIP", "RECEIVED", "SENT", "WHY"], rows))
    for door in doors:
        if not door.connected and door.reason in HINTS:
            note(f"hint: {HINTS[door.reason]}")
    if not (any(d.connected for d in doors) and all(d.connected or d.reason == ELSEWHERE for d in doors)):
        raise CommandError("not connected" if alive else "the agent isn't running", "atoll agent run")


def _folder(given: Path | None, cluster: str) -> Path:
    if given is None and (named := os.environ.get("ATOLL_AGENT_STATE")):
        given = Path(named)
    if given is not None:
        return given
    if not cluster:
        raise UsageError("which agent? give --cluster or --state-dir")
    base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share").expanduser()
    return base / "atoll-agents" / cluster
