"""`atoll install` and `atoll uninstall`: the hub on a cluster that people have."""

from typing import TYPE_CHECKING, Annotated

import typer

from atoll.api.kubefed.names import NAMESPACE
from atoll.cli.changing import DryRun, DryRunOption, said
from atoll.cli.exits import ExitCode, UsageError
from atoll.cli.printing import emit, note
from atoll.cli.session import Session, parse_duration
from atoll.cli.verbs import Timeout, verb

if TYPE_CHECKING:
    from collections.abc import Callable

    from atoll.install.removal import Extent, Fleet
    from atoll.kube.client import Client


def register(app: typer.Typer) -> None:
    verb(app, "install")(install)
    verb(app, "uninstall")(uninstall)


async def install(
    session: Session,
    image: Annotated[
        str, typer.Option("--image", metavar="IMAGE", help="The hub's image, best by digest; else atoll:VERSION.")
    ] = "",
    select: Annotated[
        bool, typer.Option("--select/--no-select", help="Applications of every namespace may select objects.")
    ] = True,
    network_policy: Annotated[
        bool, typer.Option("--network-policy", help="Close all ports of the hub but its own.")
    ] = False,
    agents_host: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST[:PORT]", help="Let agents in, which reach the hub by this name; repeatable."),
    ] = None,
    kubefed: Annotated[
        bool,
        typer.Option("--kubefed", help="Take a KubeFed control plane's place, with its kinds."),
    ] = False,
    kubefed_namespace: Annotated[
        str, typer.Option("--kubefed-namespace", metavar="NAME", help="Where that control plane is.")
    ] = NAMESPACE,
    wait: Annotated[bool, typer.Option("--wait", help="Until the hub's Pods are available.")] = False,
    timeout: Timeout = "5m",
    dry_run: DryRunOption = DryRun.NONE,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FORM", help="yaml or json: print it, too.")] = "",
    force_conflicts: Annotated[
        bool, typer.Option("--force-conflicts", help="Take over fields that others set, such as kubectl scale.")
    ] = False,
    allow_downgrade: Annotated[
        bool, typer.Option("--allow-downgrade", help="Also where a newer Atoll was installed.")
    ] = False,
) -> ExitCode | None:
    """Install the hub on a cluster, or upgrade it there.

    --context says which cluster, --namespace where the hub's Pods run, atoll-system if not given. Running it again
    changes what differs, and takes away what is no longer chosen.

        atoll --context ops install --image registry.example/atoll@sha256:… --wait

    `--dry-run=client -o yaml` prints every object, for whoever installs by other means. With --no-select the hub sees
    no objects of yours but Applications; bind ClusterRole atoll-select in the namespaces where Applications select.
    """
    from atoll.hub.kubefed.ensuring import objects as control_plane
    from atoll.install.applying import install as carry_out
    from atoll.install.applying import wait_available
    from atoll.install.kinds import definitions
    from atoll.install.layout import IMAGE, Layout
    from atoll.install.manifests import objects

    if output not in {"", "yaml", "json"}:
        raise UsageError(f"no such output: {output!r}", "yaml or json")
    if not all(host.strip() for host in agents_host or ()):
        raise UsageError("--agents-host is empty", "a variable that isn't set?")
    if kubefed and not kubefed_namespace.strip():
        raise UsageError("--kubefed-namespace is empty", "a variable that isn't set?")
    patience = parse_duration(timeout)
    layout = Layout(
        namespace=session.options.namespace or Layout().namespace,
        image=image or IMAGE,
        select=select,
        network_policy=network_policy,
        agents=tuple(agents_host or ()),
        kubefed=kubefed_namespace if kubefed else "",
    )
    if output or dry_run is DryRun.CLIENT:
        bodies = [*definitions(), *(control_plane(layout.kubefed) if kubefed else ()), *objects(layout)]
        if output:
            _print(bodies, output)
        if dry_run is DryRun.CLIENT:
            for body in () if output else bodies:
                print(said(str(body["kind"]).lower(), body["metadata"]["name"], "applied", dry_run))
            return None
    if not image:
        note(f"no --image: the nodes must have {IMAGE}")
    async with session.hub() as client:
        tell = _teller(dry_run, quiet=bool(output))
        await carry_out(
            client, layout, tell, dry_run=dry_run is DryRun.SERVER, force=force_conflicts, downgrade=allow_downgrade
        )
        if wait and dry_run is DryRun.NONE:
            await wait_available(client, layout, patience)
    return None


async def uninstall(
    session: Session,
    keep_crds: Annotated[
        bool, typer.Option("--keep-crds", help="Only what runs and its rights: kinds, objects and credentials stay.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="With all Applications and Clusters; what is on the members stays there.")
    ] = False,
    timeout: Timeout = "2m",
    dry_run: DryRunOption = DryRun.NONE,
) -> ExitCode | None:
    """Take the hub away from a cluster; what it delivered to members keeps running.

    Refused while there is an Application or a Cluster. Then --keep-crds leaves them, with credentials and all, for the
    next `atoll install` to go on with; --force removes them from this cluster without touching a member.
    """
    from atoll.install.removal import uninstall as carry_out

    if keep_crds and force:
        raise UsageError("--keep-crds keeps what --force removes: give one of them")
    extent: Extent = "keep" if keep_crds else "force" if force else "all"
    async with session.hub() as client:
        hub = await _identity(client)
        fleet = await carry_out(
            client,
            extent,
            _teller(dry_run, quiet=False),
            namespace=session.options.namespace or "",
            dry_run=dry_run is not DryRun.NONE,
            patience=parse_duration(timeout),
        )
    if dry_run is DryRun.NONE:
        _say_what_stays(extent, fleet, hub)
    return None


def _teller(dry_run: DryRun, *, quiet: bool) -> "Callable[[str, str, str], None]":
    """Lines go to standard error where standard output is a machine's."""

    def tell(kind: str, name: str, what: str) -> None:
        line = said(kind, name, what, dry_run)
        note(line) if quiet else print(line)

    return tell


def _print(bodies: list[dict[str, object]], output: str) -> None:
    """As documents, in the order to apply them; JSON as a List."""
    if output == "json":
        emit(bodies, output)
        return
    from atoll.api.manifests import dump

    print(dump(bodies), end="")


async def _identity(client: "Client") -> str:
    """The hub's id; "" where there is none any more."""
    from atoll.fleet.identity import NoHubError, hub_identity

    try:
        return (await hub_identity(client, create=False)).id
    except NoHubError:
        return ""


def _say_what_stays(extent: str, fleet: "Fleet", hub: str) -> None:
    from atoll.fleet.rights import account_name

    if extent == "keep" and fleet.applications:
        note("Applications stay, and nobody acts on them: deleting one waits until a hub is installed again")
    if extent != "force":
        return
    if fleet.applications:
        note(
            f"what {len(fleet.applications)} Applications delivered stays on the members, labelled atoll.dev/hub={hub}"
        )
    for cluster in fleet.clusters:
        note(f"on {cluster.name}, this removes the hub's account: kubectl delete clusterrole {account_name(hub)}")
