"""`join` and `unjoin`."""

from contextlib import AsyncExitStack
from typing import Annotated

import typer

from atoll.cli.exits import ExitCode
from atoll.cli.kubefed.options import (
    NAMESPACE,
    ClusterContext,
    DryRun,
    HostContext,
    HostName,
    KubefedNamespace,
    Verbosity,
    host_name,
    host_of,
    member_of,
)
from atoll.cli.kubefed.speech import Speech
from atoll.cli.session import Session

Name = Annotated[str, typer.Argument(metavar="NAME", help="The cluster's name in the control plane.")]


async def join(
    session: Session,
    name: Name,
    cluster_context: ClusterContext = "",
    host_cluster_context: HostContext = "",
    host_cluster_name: HostName = "",
    kubefed_namespace: KubefedNamespace = NAMESPACE,
    secret_name: Annotated[
        str,
        typer.Option("--secret-name", metavar="NAME", help="The Secret with its token; else NAME- and five letters."),
    ] = "",
    error_on_existing: Annotated[
        bool,
        typer.Option("--error-on-existing/--no-error-on-existing", help="Fail where something of it exists already."),
    ] = True,
    dry_run: DryRun = False,
    verbose: Verbosity = 0,
) -> ExitCode | None:
    """Make a cluster a member of a KubeFed control plane.

    It gets an account with all rights (in a control plane of one namespace: all rights in that), whose token is kept
    in a Secret on the host.

        kubefedctl join eu-1 --cluster-context eu-1 --host-cluster-context hub --v=2
    """
    from atoll.install.kubefed.joining import Joining
    from atoll.install.kubefed.joining import join as carry_out

    wanted = Joining(
        name,
        host_name(session, host_cluster_context, host_cluster_name),
        kubefed_namespace,
        secret_name,
        strict=error_on_existing,
        dry_run=dry_run,
    )
    async with (
        host_of(session, host_cluster_context) as host,
        member_of(session, cluster_context or name) as member,
    ):
        await carry_out(host, member, wanted, Speech(verbose))
    return None


async def unjoin(
    session: Session,
    name: Name,
    cluster_context: ClusterContext = "",
    host_cluster_context: HostContext = "",
    host_cluster_name: HostName = "",
    kubefed_namespace: KubefedNamespace = NAMESPACE,
    force: Annotated[
        bool, typer.Option("--force/--no-force", help="Forget it on the host even when it can't be cleaned.")
    ] = False,
    dry_run: DryRun = False,
    verbose: Verbosity = 0,
) -> ExitCode | None:
    """Take a cluster out of a KubeFed control plane.

    Its account and rights go. What was propagated stays there. The control plane's namespace in the member goes only
    when nothing of others is in it.

        kubefedctl unjoin eu-1 --cluster-context eu-1 --host-cluster-context hub
    """
    from atoll.install.kubefed.unjoining import Unjoining
    from atoll.install.kubefed.unjoining import unjoin as carry_out
    from atoll.kube.errors import ConfigError

    wanted = Unjoining(
        name,
        host_name(session, host_cluster_context, host_cluster_name),
        kubefed_namespace,
        force=force,
        dry_run=dry_run,
    )
    speech = Speech(verbose)
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(host_of(session, host_cluster_context))
        try:
            member = await stack.enter_async_context(member_of(session, cluster_context or name))
        except ConfigError as error:
            if not force:
                raise
            speech.warn(f"cluster {name} is not cleaned: {error}")
            member = None
        await carry_out(host, member, wanted, speech)
    return None
