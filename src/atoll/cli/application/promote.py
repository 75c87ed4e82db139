"""`atoll app promote`: an Application of a workload that runs already, without restarting it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from atoll.cli.application.deploy import CreateNamespace, Force, Wait, send
from atoll.cli.application.placing import Clusters
from atoll.cli.changing import DryRun, DryRunOption, apply_application, said
from atoll.cli.exits import CommandError, ExitCode, UsageError
from atoll.cli.options import split_list
from atoll.cli.printing import aside, emit, note, warn
from atoll.cli.session import Session, parse_duration
from atoll.cli.verbs import Timeout, verb

if TYPE_CHECKING:
    from atoll.api.objects import Json
    from atoll.cli.application.promotion import Promotion
    from atoll.kube.client import Client


def register(app: typer.Typer) -> None:
    verb(app, "promote")(promote)


async def promote(
    session: Session,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Such as deployment, sts or kind.group.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="The workload's name.")],
    origin: Annotated[str, typer.Option("--from", metavar="CLUSTER", help="Where it runs.")],
    app_name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Of the Application; else the workload's.")
    ] = "",
    clusters: Clusters = None,
    create_namespace: CreateNamespace = False,
    wait: Wait = False,
    timeout: Timeout = "5m",
    dry_run: DryRunOption = DryRun.NONE,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FORM", help="yaml or json: print it, too.")] = "",
    force_conflicts: Force = False,
) -> ExitCode | None:
    """Make an Application of a workload that runs on a member already. Its Pods are not restarted.

        atoll -n shop app promote deployment web --from eu-1

    What it names comes along: ConfigMaps, ServiceAccounts and a StatefulSet's Service inline; Secrets are copied to the
    same namespace of the hub and selected there, so that they don't lie open in the Application. Claims stay where
    they are. With --clusters the Application goes to others, too; CLUSTER must be one of them.
    """
    from atoll.cli.application import promotion as work

    if output not in {"", "yaml", "json"}:
        raise UsageError(f"no such output: {output!r}", "yaml or json")
    places = split_list(clusters) or [origin]
    if origin not in places:
        raise UsageError(f"--clusters: {origin}, where it runs, must be among them")
    patience = parse_duration(timeout) if wait else None
    async with session.hub() as hub:
        async with session.member(hub, origin) as member:
            found = await work.gather(member, origin, kind, name, session.namespace)
            await work.check_unchanged(member, found)
            services = list(await work.services_of(member, found))
        for other in places:
            if other != origin:
                async with session.member(hub, other) as member:
                    await work.check_free(member, other, found)
        body = application(app_name or name, session.namespace, found, places)
        _tell(found, services)
        if output:
            emit([body], output, single=True)
        tell = note if output else print
        await _prepare(hub, body, create_namespace=create_namespace, dry_run=dry_run, tell=tell)
        await _copy_secrets(hub, found, body, origin, dry_run=dry_run, tell=tell)
    if output and dry_run is DryRun.CLIENT:
        return None
    with aside(output):
        return await send(
            session,
            [body],
            dry_run=dry_run,
            force=force_conflicts,
            create_namespace=create_namespace,
            wait=patience,
        )


def application(name: str, namespace: str, found: "Promotion", clusters: list[str]) -> "Json":
    return {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {**found.spec(), "placement": {"clusters": clusters}},
    }


def _tell(found: "Promotion", services: list[str]) -> None:
    for line in found.notes:
        warn(line)
    for service in services:
        note(f"hint: Service/{service} leads to its Pods and is not taken: atoll app promote service {service} …")


async def _prepare(
    hub: "Client", body: "Json", *, create_namespace: bool, dry_run: DryRun, tell: Callable[[str], None]
) -> None:
    """Before anything is written: the hub has the namespace and would take the Application, and has none like it."""
    from atoll.cli.application.checking import check
    from atoll.kube.errors import NotFound
    from atoll.kube.resources import APPLICATIONS, NAMESPACES

    name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
    check(body)
    try:
        await hub.get(NAMESPACES, namespace)
    except NotFound as error:
        if not create_namespace:
            raise CommandError(
                f"namespace {namespace} does not exist on the hub", "--create-namespace makes it"
            ) from error
        if dry_run is DryRun.NONE:
            await hub.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
            tell(said("namespace", namespace, "created"))
    try:
        await hub.get(APPLICATIONS, name, namespace)
    except NotFound:
        if dry_run is DryRun.NONE:
            await apply_application(hub, body, dry_run=DryRun.SERVER, force=False)
    else:
        raise CommandError(f"application {name} exists already in namespace {namespace}", "--name gives another name")


async def _copy_secrets(
    hub: "Client", found: "Promotion", body: "Json", cluster: str, *, dry_run: DryRun, tell: Callable[[str], None]
) -> None:
    """Before the Application, which selects them."""
    from atoll.cli.application.promotion import copies, copy

    namespace = body["metadata"]["namespace"]
    for secret in await copies(hub, found, namespace, cluster):
        if dry_run is DryRun.NONE:
            await copy(hub, secret)
        tell(said("secret", secret["metadata"]["name"], f"copied from {cluster}", dry_run))
