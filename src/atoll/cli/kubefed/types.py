"""`enable` and `disable`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atoll.cli.exits import CommandError, ExitCode, UsageError
from atoll.cli.kubefed.documents import print_documents, read_documents
from atoll.cli.kubefed.options import (
    NAMESPACE,
    TYPES_GROUP,
    TYPES_VERSION,
    DryRun,
    FederatedGroup,
    FederatedVersion,
    HostContext,
    KubefedNamespace,
    TargetVersion,
    Verbosity,
    YamlOutput,
    host_of,
    wants_yaml,
)
from atoll.cli.kubefed.speech import Speech
from atoll.cli.session import Session

if TYPE_CHECKING:
    from atoll.api.kubefed.typeconfig import FederatedTypeConfig
    from atoll.install.kubefed.enabling import Directive

TypeName = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="The type: plural, plural.group, singular, kind or short name."),
]


async def enable(
    session: Session,
    name: TypeName = None,
    filename: Annotated[
        Path | None, typer.Option("--filename", "-f", metavar="FILE", help="An EnableTypeDirective, instead of NAME.")
    ] = None,
    federated_group: FederatedGroup = TYPES_GROUP,
    federated_version: FederatedVersion = TYPES_VERSION,
    version: TargetVersion = "",
    output: YamlOutput = "",
    host_cluster_context: HostContext = "",
    kubefed_namespace: KubefedNamespace = NAMESPACE,
    dry_run: DryRun = False,
    verbose: Verbosity = 0,
) -> ExitCode | None:
    """Let objects of a type be propagated: define its federated type, and configure it.

    Done again, it brings the federated type up to date. Custom resources can be enabled as well.

    kubefedctl enable deployments.apps
    kubefedctl enable crontabs --output=yaml > crontabs.yaml
    """
    from atoll.api.kubefed.types import body_of
    from atoll.install.kubefed.enabling import Directive, prepared
    from atoll.install.kubefed.enabling import enable as carry_out

    only_shown = wants_yaml(output)
    if filename is not None:
        directive = _directive(filename)
    elif name is None:
        raise UsageError("NAME is required")
    else:
        directive = Directive(name, version, federated_group, federated_version)
    async with host_of(session, host_cluster_context) as host:
        steps = await prepared(host, directive, kubefed_namespace)
        if only_shown:
            config = body_of(steps.config)
            del config["metadata"]["namespace"]
            print_documents([config, steps.crd])
            return None
        await carry_out(host, steps, Speech(verbose), dry_run=dry_run)
    return None


def _directive(file: Path) -> "Directive":
    from atoll.install.kubefed.enabling import Directive

    documents = read_documents(str(file))
    if len(documents) != 1:
        raise CommandError(f"{file}: one EnableTypeDirective is expected, these are {len(documents)} documents")
    body = documents[0]
    spec = body.get("spec") or {}
    if not isinstance(spec, dict):
        raise CommandError(f"{file}: spec is no mapping of targetVersion, federatedGroup and federatedVersion")
    name = (body.get("metadata") or {}).get("name")
    if not name:
        raise CommandError(f"{file}: metadata.name is missing: the type's name, such as deployments.apps")
    return Directive(
        str(name),
        str(spec.get("targetVersion") or ""),
        str(spec.get("federatedGroup") or TYPES_GROUP),
        str(spec.get("federatedVersion") or TYPES_VERSION),
    )


async def disable(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The FederatedTypeConfig, or a name of its type.")],
    delete_crd: Annotated[
        bool, typer.Option("--delete-crd/--no-delete-crd", help="Remove the federated type as well; it must be unused.")
    ] = False,
    federated_group: Annotated[
        str,
        typer.Option(
            "--federated-group",
            metavar="GROUP",
            help="Of the federated type, where its FederatedTypeConfig is gone already; with --delete-crd.",
        ),
    ] = TYPES_GROUP,
    version: Annotated[
        str,
        typer.Option(
            "--version",
            metavar="VERSION",
            help="Of the target type, where its FederatedTypeConfig is gone already; with --delete-crd.",
        ),
    ] = "",
    host_cluster_context: HostContext = "",
    kubefed_namespace: KubefedNamespace = NAMESPACE,
    dry_run: DryRun = False,
    verbose: Verbosity = 0,
) -> ExitCode | None:
    """Let objects of a type be propagated no longer; what members have stays there.

    It waits until the control plane has stopped propagating them.

    kubefedctl disable deployments.apps --delete-crd
    """
    from atoll.api.objects import Key
    from atoll.install.kubefed.disabling import disable as carry_out
    from atoll.install.kubefed.enabling import Directive, prepared
    from atoll.install.kubefed.served import chosen, served_types

    if not delete_crd and version:
        raise UsageError("--version goes with --delete-crd only")
    if not delete_crd and federated_group != TYPES_GROUP:
        raise UsageError("--federated-group goes with --delete-crd only")
    async with host_of(session, host_cluster_context) as host:
        qualified = name if "." in name else chosen(await served_types(host), name).qualified

        async def otherwise() -> "FederatedTypeConfig":
            return (await prepared(host, Directive(name, version, federated_group), kubefed_namespace)).config

        await carry_out(
            host,
            Key(kubefed_namespace, qualified),
            Speech(verbose),
            delete_crd=delete_crd,
            dry_run=dry_run,
            otherwise=otherwise,
        )
    return None
