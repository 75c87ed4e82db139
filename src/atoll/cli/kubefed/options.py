"""The options of KubeFed's commands, and which clusters they mean."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from atoll.api.kubefed.names import NAMESPACE, TYPES_GROUP, TYPES_VERSION
from atoll.cli.exits import UsageError
from atoll.cli.session import Session, kubeconfig_path

if TYPE_CHECKING:
    from atoll.kube.client import Client
    from atoll.kube.config import Config

HostContext = Annotated[
    str, typer.Option("--host-cluster-context", metavar="NAME", help="The host cluster's context; else the current.")
]
KubefedNamespace = Annotated[
    str, typer.Option("--kubefed-namespace", metavar="NAME", help="Where the control plane is, on the host.")
]
DryRun = Annotated[bool, typer.Option("--dry-run/--no-dry-run", help="Say what would be done, and do nothing.")]
Verbosity = Annotated[int, typer.Option("--v", "-v", metavar="LEVEL", help="2 tells details, on standard error.")]
ClusterContext = Annotated[
    str, typer.Option("--cluster-context", metavar="NAME", help="The cluster's context; else its name.")
]
HostName = Annotated[
    str,
    typer.Option(
        "--host-cluster-name",
        metavar="NAME",
        help="The host in names that the member gets; needed where its context has : or / in it.",
    ),
]
FederatedGroup = Annotated[
    str, typer.Option("--federated-group", metavar="GROUP", help="The group of the federated type.")
]
FederatedVersion = Annotated[
    str, typer.Option("--federated-version", metavar="VERSION", help="The version of the federated type.")
]
TargetVersion = Annotated[
    str, typer.Option("--version", metavar="VERSION", help="The version of the target type; else the preferred one.")
]
Namespace = Annotated[
    str, typer.Option("--namespace", "-n", metavar="NAME", help="Of the object; else the context's namespace.")
]
YamlOutput = Annotated[
    str, typer.Option("--output", "-o", metavar="yaml", help="Print what would be created, and create nothing.")
]

FLAGS = frozenset(
    {"--dry-run", "--error-on-existing", "--force", "--delete-crd", "--enable-type", "-t", "--contents", "-c"}
)
VALUED = frozenset(
    {
        *("--kubeconfig", "--context", "--request-timeout"),
        *("--host-cluster-context", "--kubefed-namespace", "--v", "-v"),
        *("--cluster-context", "--host-cluster-name", "--secret-name"),
        *("--federated-group", "--federated-version", "--version", "--output", "-o", "--filename", "-f"),
        *("--namespace", "-n", "--skip-api-resources", "-s"),
    }
)

__all__ = ["NAMESPACE", "TYPES_GROUP", "TYPES_VERSION"]


@asynccontextmanager
async def host_of(session: Session, context: str) -> "AsyncIterator[Client]":
    """A client of the host cluster."""
    from atoll.kube.client import Client

    async with Client(_config(session, context), timeout=session.timeout) as client:
        yield client


@asynccontextmanager
async def member_of(session: Session, context: str) -> "AsyncIterator[Client]":
    """A client of the cluster whose context is `context`, in the same kubeconfig. Raises ConfigError."""
    from atoll.kube.client import Client
    from atoll.kube.config import load_kubeconfig

    config = load_kubeconfig(kubeconfig_path(session.options.kubeconfig), context)
    async with Client(config, timeout=session.timeout) as client:
        yield client


def _config(session: Session, context: str) -> "Config":
    if not context:
        return session.config
    from atoll.kube.config import load_kubeconfig

    return load_kubeconfig(kubeconfig_path(session.options.kubeconfig), context)


def host_name(session: Session, context: str, given: str) -> str:
    """What the host is called in the names that a member gets. Raises UsageError."""
    if given and _unusable(given):
        raise UsageError('host-cluster-name may not contain "/" or ":"')
    name = given or context or session.config.context
    if _unusable(name):
        raise UsageError(
            f'the name of the host cluster context, {name!r}, contains one of ":" or "/"', "give --host-cluster-name"
        )
    return name


def _unusable(name: str) -> bool:
    return ":" in name or "/" in name


def wants_yaml(output: str) -> bool:
    if output not in {"", "yaml"}:
        raise UsageError(f"Invalid value for --output: {output}", "yaml")
    return output == "yaml"


def namespace_of(session: Session, context: str, given: str) -> str:
    """The flag's, else the context's, else `default`."""
    return given or _config(session, context).namespace or "default"
