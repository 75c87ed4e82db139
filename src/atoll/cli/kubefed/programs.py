"""KubeFed's two servers as programs: `controller-manager` and `webhook`, with KubeFed's flags."""

import os
import socket
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from atoll.cli.exits import CommandError, UsageError
from atoll.cli.kubefed.app import version_info
from atoll.cli.kubefed.goflags import rewritten
from atoll.cli.kubefed.speech import DETAILS, Speech
from atoll.cli.main import carried_out
from atoll.cli.options import check_address
from atoll.cli.session import perform

if TYPE_CHECKING:
    from atoll.kube.config import Config

VALUED = frozenset(
    {
        *("--kubeconfig", "--master", "--kubefed-namespace", "--kubefed-config", "--healthz-addr", "--metrics-addr"),
        *("--rest-config-qps", "--rest-config-burst", "--cert-dir", "--secure-port", "--v", "-v"),
    }
)
SCOPE_VARIABLE = "DEFAULT_KUBEFED_SCOPE"
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

Kubeconfig = Annotated[str, typer.Option("--kubeconfig", metavar="FILE", help="Needed only outside of the cluster.")]
Master = Annotated[str, typer.Option("--master", metavar="URL", help="The API server; goes before the kubeconfig's.")]
KubefedNamespace = Annotated[
    str, typer.Option("--kubefed-namespace", metavar="NAME", help="Where the control plane is; in a Pod, the Pod's.")
]
Version = Annotated[bool, typer.Option("--version/--no-version", help="Print the version and end.")]
Verbosity = Annotated[int, typer.Option("--v", "-v", metavar="LEVEL", help="2 tells details.")]


class GoCommand(TyperCommand):
    """Takes command lines as Go programs do."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, rewritten(args, flags=frozenset({"--version"}), valued=VALUED))


def _program(name: str) -> typer.Typer:
    return typer.Typer(
        name=name,
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


manager = _program("controller-manager")
webhook = _program("webhook")


@manager.command(cls=GoCommand)
def controller_manager(
    kubeconfig: Kubeconfig = "",
    master: Master = "",
    kubefed_namespace: KubefedNamespace = "",
    kubefed_config: Annotated[
        Path | None,
        typer.Option("--kubefed-config", metavar="FILE", help="A KubeFedConfig that is put in place of the host's."),
    ] = None,
    healthz_addr: Annotated[
        str, typer.Option("--healthz-addr", metavar="HOST:PORT", help="Where /healthz is served.")
    ] = ":8080",
    metrics_addr: Annotated[
        str, typer.Option("--metrics-addr", metavar="HOST:PORT", help="Where /metrics is served.")
    ] = ":9090",
    rest_config_qps: Annotated[
        float | None,
        typer.Option("--rest-config-qps", metavar="N", help="Requests a second to the host, at most; else no limit."),
    ] = None,
    rest_config_burst: Annotated[
        int | None,
        typer.Option("--rest-config-burst", metavar="N", help="At once after a pause; with --rest-config-qps."),
    ] = None,
    version: Version = False,
    verbose: Verbosity = 0,
) -> None:
    """Run KubeFed's control plane on Atoll's engine, until it is stopped."""
    print(f"KubeFed controller-manager version: {version_info()}", flush=True)
    if version:
        return
    from atoll.hub.kubefed.main import ControllerManager, run

    check_address(healthz_addr, "--healthz-addr")
    check_address(metrics_addr, "--metrics-addr")
    _log(verbose)
    speech = Speech(verbose, "controller-manager")
    config = _config(kubeconfig, master)
    options = ControllerManager(
        config=config,
        identity=f"{socket.gethostname()}_{os.getpid()}",
        namespace=kubefed_namespace or _own_namespace(kubeconfig, master),
        tell=speech.info,
        healthz_address=healthz_addr,
        metrics_address=metrics_addr,
        config_file=kubefed_config,
        scope=_scope(),
        throttle=_throttle(rest_config_qps, rest_config_burst),
    )
    raise typer.Exit(_ended(run(options), verbose))


@webhook.command(cls=GoCommand)
def admission(
    kubeconfig: Kubeconfig = "",
    master: Master = "",
    cert_dir: Annotated[
        Path | None,
        typer.Option(
            "--cert-dir", metavar="DIR", help="tls.crt and tls.key; else a certificate is made, and told to the host."
        ),
    ] = None,
    secure_port: Annotated[
        int, typer.Option("--secure-port", metavar="PORT", min=0, max=65535, help="Where it is served, by TLS.")
    ] = 8443,
    kubefed_namespace: KubefedNamespace = "",
    version: Version = False,
    verbose: Verbosity = 0,
) -> None:
    """Answer what the API server asks about KubeFed's kinds at admission, until it is stopped."""
    print(f"KubeFed webhook version: {version_info()}", flush=True)
    if version:
        return
    from atoll.hub.kubefed.serving import Webhook, run

    _log(verbose)
    options = Webhook(
        config=_config(kubeconfig, master),
        address=f":{secure_port}",
        certificates=cert_dir,
        namespace=kubefed_namespace or ("" if cert_dir else _own_namespace(kubeconfig, master)),
    )
    raise typer.Exit(_ended(run(options), verbose))


def _ended(work: Coroutine[Any, Any, None], verbose: int) -> int:
    async def whole() -> None:
        try:
            await work
        except OSError as error:
            raise CommandError(f"{error.strerror or error}", "does another process listen there?") from error

    return perform(whole(), verbose=verbose, serves=True)


def _log(verbose: int) -> None:
    from atoll.telemetry import set_up_logging

    set_up_logging("debug" if verbose > DETAILS else "info", json=None)


def _config(kubeconfig: str, master: str) -> "Config":
    """As client-go's BuildConfigFromFlags. Raises ConfigError."""
    import msgspec

    from atoll.kube.config import Config, in_cluster, load_kubeconfig

    if kubeconfig:
        config = load_kubeconfig(kubeconfig)
    elif master:
        return Config(server=master.rstrip("/"))
    else:
        return in_cluster()
    return msgspec.structs.replace(config, server=master.rstrip("/")) if master else config


def _own_namespace(kubeconfig: str, master: str) -> str:
    if not kubeconfig and not master and SERVICE_ACCOUNT.exists():
        return SERVICE_ACCOUNT.read_text().strip()
    raise UsageError("The KubeFed namespace must be specified via --kubefed-namespace")


def _scope() -> str:
    scope = os.environ.get(SCOPE_VARIABLE, "")
    if scope not in {"", "Cluster", "Namespaced"}:
        raise UsageError(f'{SCOPE_VARIABLE} must be one of Cluster or Namespaced; got "{scope}"')
    return scope


def _throttle(rate: float | None, burst: int | None) -> tuple[float, int] | None:
    if not rate:
        return None
    if rate < 0 or (burst is not None and burst < 1):
        raise UsageError("--rest-config-qps and --rest-config-burst are numbers above 0")
    return rate, burst or max(1, round(2 * rate))


def run_manager() -> None:
    sys.exit(carried_out(manager, sys.argv[1:], "controller-manager"))


def run_webhook() -> None:
    sys.exit(carried_out(webhook, sys.argv[1:], "webhook"))
