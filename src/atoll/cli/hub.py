"""`atoll hub`: runs the hub in this process."""

import os
import socket
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

import typer

from atoll.cli.exits import ExitCode, UsageError
from atoll.cli.options import check_address
from atoll.cli.session import Session
from atoll.cli.verbs import verb


def register(app: typer.Typer) -> None:
    verb(app, "hub", serves=True)(hub)


async def hub(
    session: Session,
    metrics_address: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT", help="Where /metrics, /healthz and /readyz are served; port 0 is a free one."
        ),
    ] = "127.0.0.1:9090",
    webhook_address: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where the validating webhook is served; empty is none.")
    ] = "127.0.0.1:9443",
    webhook_host: Annotated[
        str, typer.Option(metavar="HOST", help="The name by which the API server reaches the webhook.")
    ] = "127.0.0.1",
    webhook_service: Annotated[
        str,
        typer.Option(
            metavar="NAMESPACE/NAME",
            help="Reach it through this Service, not by --webhook-host; then standbys answer, too.",
        ),
    ] = "",
    admission_policy: Annotated[
        bool,
        typer.Option(
            "--admission-policy/--no-admission-policy",
            help="The API server puts the finalizer on new Applications, which saves a write of each (from 1.36 on).",
        ),
    ] = True,
    agents_address: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where agents come in, by TLS; empty is nowhere.")
    ] = "",
    agents_host: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST[:PORT]", help="How agents reach that address; repeatable. 127.0.0.1 by default."),
    ] = None,
    identity: Annotated[
        str, typer.Option(metavar="NAME", help="This process among several; else host and process.")
    ] = "",
    leader_elect: Annotated[
        bool, typer.Option("--leader-elect/--no-leader-elect", help="Of several processes, one works.")
    ] = True,
    check_addresses: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CIDR",
            help="Checks of rollouts may ask these loopback, link-local or special addresses, too; repeatable.",
        ),
    ] = None,
    kubefed: Annotated[
        str,
        typer.Option(
            metavar="NAMESPACE",
            envvar="ATOLL_KUBEFED",
            help="Take the place of the KubeFed control plane of this namespace: its kinds are served, too.",
        ),
    ] = "",
    log_format: Annotated[str, typer.Option(metavar="json|console", help="Else json unless on a terminal.")] = "",
    log_level: Annotated[str, typer.Option(metavar="LEVEL", help="debug, info, warning or error.")] = "info",
) -> ExitCode | None:
    """Run the hub, until it is stopped.

    It watches Applications and Clusters on its API server, and works on the members.

    --kubeconfig and --context say which API server; in a Pod it is the Pod's own.
    """
    from atoll.api.objects import Key
    from atoll.hub.main import Options, run
    from atoll.runtime import failpoints
    from atoll.telemetry import set_up_logging

    check_address(metrics_address, "--metrics-address")
    check_address(webhook_address, "--webhook-address", may_be_none=True)
    check_address(agents_address, "--agents-address", may_be_none=True)
    if log_format not in {"", "json", "console"}:
        raise UsageError(f"--log-format: {log_format!r}", "json or console")
    try:
        set_up_logging(log_level, json=log_format == "json" if log_format else None)
    except ValueError as error:
        raise UsageError(f"--log-level: {error}") from error
    service = Key.parse(webhook_service)
    if webhook_service and (not service.namespace or not service.name or "/" in service.namespace):
        raise UsageError(f"--webhook-service: {webhook_service!r} is not NAMESPACE/NAME")
    try:
        failpoints.arm(os.environ)
    except ValueError as error:
        raise UsageError(str(error)) from error
    await run(
        Options(
            config=session.config,
            identity=identity or f"{socket.gethostname()}_{os.getpid()}",
            metrics_address=metrics_address,
            webhook_address=webhook_address,
            webhook_host=webhook_host,
            webhook_service=service if webhook_service else None,
            hold_from_birth=admission_policy,
            agents_address=agents_address,
            agents_hosts=tuple(agents_host or ["127.0.0.1"]),
            elect=leader_elect,
            gate_addresses=_networks(check_addresses or ()),
            kubefed=kubefed,
        )
    )
    return None


def _networks(texts: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError as error:
        raise UsageError(f"--check-addresses: {error}", "such as 10.1.0.0/16") from error
