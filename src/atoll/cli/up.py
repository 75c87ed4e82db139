"""`atoll up` and `atoll down`: a real fleet on this machine, with Atoll on it and an example to look at."""

import asyncio
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from atoll.cli.exits import CommandError, ExitCode, UsageError
from atoll.cli.session import perform, state_folder

if TYPE_CHECKING:
    from atoll.api.objects import Json
    from atoll.kube.client import Client
    from atoll.testing.binaries import Binaries
    from atoll.testing.localfleet import LocalFleet
    from atoll.testing.progress import Progress

EXAMPLE = "01-first-application"
StateDir = Annotated[
    Path | None, typer.Option("--state-dir", metavar="DIR", help="Where the fleet lives; $ATOLL_HOME by default.")
]


def register(app: typer.Typer) -> None:
    app.command("up")(up)
    app.command("down")(down)


def up(
    members: Annotated[int | None, typer.Option(min=1, max=60, help="Member clusters; 3 in a new fleet.")] = None,
    nodes: Annotated[int, typer.Option(min=1, max=500, help="Simulated nodes of each member.")] = 3,
    state_dir: StateDir = None,
    *,
    example: Annotated[bool, typer.Option("--example/--no-example", help="Deploy the first example.")] = True,
    shared_host: Annotated[
        bool, typer.Option("--shared-host", help="The hub's cluster runs workloads, too, and may be a member itself.")
    ] = False,
    audit: Annotated[bool, typer.Option("--audit", help="API servers log every request.")] = False,
    execs: Annotated[
        bool, typer.Option("--exec", help="kubectl exec and cp work: what they run runs on this machine, as you.")
    ] = False,
) -> None:
    """Start a hub and member clusters on this machine: real control planes, simulated nodes.

    Of the members the hub reaches the first directly, the second through its agent's tunnel; the third's agent pulls;
    further ones are direct. Run it again to heal what died: what runs is left alone. A fleet grows with --members, but
    never shrinks.
    """
    from atoll.testing.binaries import Binaries
    from atoll.testing.localfleet import FleetShape, LocalFleet
    from atoll.testing.progress import Lines

    progress = Lines()
    binaries = Binaries(progress)
    fleet = LocalFleet(state_dir or state_folder(), binaries.find, progress)
    if fleet.holds_other_things:
        raise UsageError(
            f"{fleet.folder} is no fleet's folder, and not empty",
            "name a new one: `atoll down --purge` removes it whole",
        )
    present = len(fleet.contexts) - 1
    if members is not None and members < present:
        raise UsageError(
            f"the fleet in {fleet.folder} has {present} members, and a fleet never shrinks",
            "start over with `atoll down --purge`, or make a second fleet with --state-dir",
        )
    host: Literal["alone", "shared"] = "shared" if shared_host else "alone"
    shape = FleetShape(members=members or max(present, 3), nodes=nodes, host=host, audit=audit, execs=execs)
    progress.step(f"the fleet in {fleet.folder}: a hub and {shape.members} members")
    with _fleet_errors():  # not in an event loop, where Ctrl-C would wait for the end of it
        binaries.find_all()
        fleet.up(shape)
    code = perform(_install(fleet, progress, example=example))
    if code == ExitCode.OK:
        _print_what_next(fleet, binaries, state_dir, example=example)
    raise typer.Exit(code)


def down(
    state_dir: StateDir = None,
    *,
    purge: Annotated[bool, typer.Option("--purge", help="Remove the fleet's folder, too.")] = False,
) -> None:
    """Stop the fleet of `atoll up`: exactly its own processes. Its data stays for the next `up`, unless purged."""
    from atoll.testing.binaries import Binaries
    from atoll.testing.localfleet import LocalFleet
    from atoll.testing.progress import Lines

    fleet = LocalFleet(state_dir or state_folder(), Binaries().find, Lines())
    if not fleet.contexts:
        print(f"there is no fleet in {fleet.folder}")
        return
    running = len(fleet.running)
    with _fleet_errors():
        fleet.down(purge=purge)
    print(f"stopped {running} processes of the fleet in {fleet.folder}{', and removed it' if purge else ''}")


@contextmanager
def _fleet_errors() -> Iterator[None]:
    """What can go wrong with a fleet, in the words of the command line."""
    from atoll.testing.binaries import MissingBinaryError
    from atoll.testing.localfleet import ComponentError, FleetBusyError

    try:
        yield
    except (MissingBinaryError, ComponentError, FleetBusyError) as error:
        raise CommandError(str(error), "`atoll up` again starts what is missing") from error


async def _install(fleet: "LocalFleet", progress: "Progress", *, example: bool) -> None:
    """Atoll onto the fleet, and the example onto Atoll."""
    from atoll.kube.client import Client
    from atoll.kube.config import load_kubeconfig
    from atoll.testing.localfleet import installation

    async with Client(load_kubeconfig(fleet.kubeconfig, "hub")) as hub:
        with _fleet_errors():
            await installation.install_kinds(hub)
            await installation.join_members(fleet, hub, progress)
            await asyncio.to_thread(installation.start_hub, fleet)
            progress.step("the hub is ready")
            await installation.start_agents(fleet, hub, progress)
        if example:
            await _deploy_example(hub, progress)


async def _deploy_example(hub: "Client", progress: "Progress", *, patience: float = 90.0) -> None:
    from atoll.api.manifests import load
    from atoll.cli.changing import MANAGER, DryRun, apply_application
    from atoll.kube.resources import APPLICATIONS, NAMESPACES

    namespace, application = load(_example().read_text())
    name, home = application["metadata"]["name"], application["metadata"]["namespace"]
    await hub.apply(NAMESPACES, namespace, name=home, manager=MANAGER)
    _, change = await apply_application(hub, application, dry_run=DryRun.NONE, force=True)
    began = time.monotonic()
    while not (status := _readiness((await hub.get(APPLICATIONS, name, home)).body()))[0]:
        if time.monotonic() - began > patience:
            raise CommandError(
                f"the example {home}/{name} is not ready after {patience:.0f} s: {status[1]}",
                f"atoll -n {home} app status {name}",
            )
        await asyncio.sleep(0.1)
    progress.step(f"the example {home}/{name} is {change} and ready")


def _readiness(application: "Json") -> tuple[bool, str]:
    """Whether the hub has seen this generation and calls it Ready, and what it says."""
    status = application.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition["type"] == "Ready":
            fresh = condition.get("observedGeneration", 0) >= application["metadata"]["generation"]
            return fresh and condition["status"] == "True", condition.get("message", "")
    return False, "the hub has not looked at it yet"


def _example() -> Path:
    """Within the installed package, or in the checkout that this file is part of."""
    packaged = Path(__file__).parents[1] / "examples" / EXAMPLE / "app.yaml"
    return packaged if packaged.exists() else Path(__file__).parents[3] / "examples" / EXAMPLE / "app.yaml"


def _print_what_next(fleet: "LocalFleet", binaries: "Binaries", folder: Path | None, *, example: bool) -> None:
    """Commands that can be pasted as they are, also where `atoll` and `kubectl` are not on PATH."""
    atoll = "atoll" if shutil.which("atoll") else f"{sys.executable.rpartition('/')[0]}/atoll"
    kubectl = "kubectl" if shutil.which("kubectl") else str(binaries.find("kubectl"))
    lines = [
        "",
        "The fleet is ready. Try:",
        f"  export KUBECONFIG={fleet.kubeconfig}",
        f"  {atoll} cluster list",
    ]
    if example:
        lines += [
            f"  {kubectl} --context hub -n demo get applications",
            f"  {kubectl} --context member1 -n demo get deployments,services,configmaps",
            f"  {atoll} -n demo app status shop",
            f"  {kubectl} --context member1 -n demo delete deployment web   # and see it come back",
        ]
    print("\n".join([*lines, f"  {atoll} down{f' --state-dir {folder}' if folder else ''}"]))
