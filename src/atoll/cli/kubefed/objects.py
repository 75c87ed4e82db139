"""`federate` and `orphaning-deletion`."""

from typing import Annotated

import typer

from atoll.cli.exits import ExitCode, UsageError
from atoll.cli.kubefed.documents import print_documents, read_documents
from atoll.cli.kubefed.options import (
    NAMESPACE,
    DryRun,
    HostContext,
    KubefedNamespace,
    Namespace,
    Verbosity,
    YamlOutput,
    host_of,
    namespace_of,
    wants_yaml,
)
from atoll.cli.kubefed.speech import Speech
from atoll.cli.session import Session

Kind = Annotated[str, typer.Argument(metavar="TYPE", help="The federated type, such as FederatedDeployment.")]
ObjectName = Annotated[str, typer.Argument(metavar="NAME", help="The object's name.")]


async def federate(
    session: Session,
    kind: Annotated[str | None, typer.Argument(metavar="TYPE", help="The type, by any of its names.")] = None,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The object's name.")] = None,
    namespace: Namespace = "",
    contents: Annotated[
        bool,
        typer.Option("--contents/--no-contents", "-c", help="Of a namespace: all that is in it, too."),
    ] = False,
    skip_api_resources: Annotated[
        list[str] | None,
        typer.Option(
            "--skip-api-resources",
            "-s",
            metavar="NAMES",
            help="Types that --contents leaves out, by any of their names, and whole groups; with commas between.",
        ),
    ] = None,
    enable_type: Annotated[
        bool, typer.Option("--enable-type/--no-enable-type", "-t", help="Enable its type where it isn't.")
    ] = False,
    filename: Annotated[
        str,
        typer.Option(
            "--filename", "-f", metavar="FILE", help="Print the federated objects of these manifests; - is stdin."
        ),
    ] = "",
    output: YamlOutput = "",
    host_cluster_context: HostContext = "",
    kubefed_namespace: KubefedNamespace = NAMESPACE,
    dry_run: DryRun = False,
    verbose: Verbosity = 0,
) -> ExitCode | None:
    """Make a federated object of one that the host has; all clusters get it.

    Labels are kept, annotations are not. Of a namespace with --contents, what every cluster has of its own is left out.

    kubefedctl federate configmaps settings -n demo --enable-type
    kubefedctl federate namespace demo --contents --skip-api-resources pods,replicasets
    kubefedctl federate -f deployment.yaml | kubectl apply -f -
    """
    from atoll.install.kubefed import federating

    only_shown = wants_yaml(output)
    if filename:
        if kind:
            raise UsageError("--filename takes no TYPE and no NAME")
        print_documents(federating.of_file(read_documents(filename)))
        return None
    if not kind:
        raise UsageError("TYPE is required")
    if not name:
        raise UsageError("NAME is required")
    if enable_type and only_shown:
        raise UsageError("--enable-type goes not with --output")
    speech = Speech(verbose)
    manner = federating.Manner(kubefed_namespace, enable_type, only_shown, dry_run)
    async with host_of(session, host_cluster_context) as host:
        where = namespace_of(session, host_cluster_context, namespace)
        found = [await federating.prepared(host, kind, name, where, manner, speech)]
        if contents:
            if found[0].config.spec.target_type.kind != "Namespace":
                raise UsageError("--contents goes with namespaces only")
            skipped = [one.strip() for names in skip_api_resources or () for one in names.split(",")]
            found += await federating.contents(host, name, skipped, manner, speech)
        if only_shown:
            print_documents(body for each in found for body in each.bodies)
            return None
        for each in found:
            await federating.create(host, each, manner, speech)
    return None


async def orphaning_enable(
    session: Session,
    kind: Kind,
    name: ObjectName,
    namespace: Namespace = "",
    host_cluster_context: HostContext = "",
    verbose: Verbosity = 0,
) -> ExitCode | None:
    """Let members keep their objects when this federated object goes."""
    return await _turn(session, kind, name, namespace, host_cluster_context, verbose, on=True)


async def orphaning_disable(
    session: Session,
    kind: Kind,
    name: ObjectName,
    namespace: Namespace = "",
    host_cluster_context: HostContext = "",
    verbose: Verbosity = 0,
) -> ExitCode | None:
    """Let members' objects go with this federated object."""
    return await _turn(session, kind, name, namespace, host_cluster_context, verbose, on=False)


async def _turn(
    session: Session, kind: str, name: str, namespace: str, context: str, verbose: int, *, on: bool
) -> ExitCode | None:
    from atoll.install.kubefed import orphaning

    where = namespace_of(session, context, namespace)
    async with host_of(session, context) as host:
        resource, live = await orphaning.found(host, kind, name, where, Speech(verbose))
        await orphaning.turn(host, resource, live, on=on)
    return None


async def orphaning_status(
    session: Session,
    kind: Kind,
    name: ObjectName,
    namespace: Namespace = "",
    host_cluster_context: HostContext = "",
    verbose: Verbosity = 0,
) -> ExitCode | None:
    """Say Enabled or Disabled: whether members keep their objects when this federated object goes."""
    from atoll.install.kubefed import orphaning

    where = namespace_of(session, host_cluster_context, namespace)
    speech = Speech(verbose)
    async with host_of(session, host_cluster_context) as host:
        _, live = await orphaning.found(host, kind, name, where, speech)
        speech.result("Enabled" if orphaning.is_orphaning(live) else "Disabled")
    return None
