"""`atoll cluster`: who is in the fleet, how they do, and how they come and go."""

import asyncio
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from atoll.api.times import format_time
from atoll.cli import printing
from atoll.cli.changing import DryRun, DryRunOption, said
from atoll.cli.describing import agent_facts
from atoll.cli.exits import CommandError, ExitCode, UsageError
from atoll.cli.options import key_values, taint
from atoll.cli.printing import age, check_output, emit, fields, note, one_line, table, warn
from atoll.cli.session import Session, parse_duration
from atoll.cli.verbs import NoHeaders, Output, Timeout, verb

if TYPE_CHECKING:
    from atoll.api.cluster import Cluster
    from atoll.kube.client import Client
    from atoll.kube.objects import Object

cluster = typer.Typer(
    name="cluster",
    help="Clusters of the fleet: how they come, do, and go.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
ClusterName = Annotated[str, typer.Argument(metavar="NAME", help="The cluster's name in the fleet.")]
ClusterNames = Annotated[list[str], typer.Argument(metavar="NAME…")]


def register(app: typer.Typer) -> None:
    app.add_typer(cluster)


@verb(cluster, "join")
async def join(
    session: Session,
    name: ClusterName,
    kubeconfig: Annotated[str, typer.Option("--kubeconfig", metavar="FILE", help="The MEMBER's kubeconfig.")],
    context: Annotated[
        str | None, typer.Option("--context", metavar="NAME", help="The member's context in it.")
    ] = None,
    provider: Annotated[str | None, typer.Option(metavar="NAME", help="Such as aws, gcp, onprem.")] = None,
    region: Annotated[str | None, typer.Option(metavar="NAME", help="Found from the nodes when not given.")] = None,
    zone: Annotated[str | None, typer.Option(metavar="NAME", help="Found from the nodes when not given.")] = None,
    labels: Annotated[list[str] | None, typer.Option(metavar="K=V,…", help="Labels to place by.")] = None,
    taints: Annotated[list[str] | None, typer.Option(metavar="K=V:EFFECT", help="Keep Applications away.")] = None,
    rights: Annotated[
        str, typer.Option(metavar="RIGHTS", help="What the hub may do: admin, or namespaces=a,b.")
    ] = "admin",
) -> None:
    """Bring a cluster into the fleet.

    --kubeconfig and --context are the member's; the hub's stand before the command:
    `atoll --context hub cluster join eu-1 --kubeconfig eu.yaml --context eu`.

    Makes a service account of Atoll's own in the member and keeps a token of it, which is renewed by itself, in a
    Secret on the hub. Joining again under the same name renews it in place. With `--rights admin`, the default, the
    hub may do anything in the member: delivering objects of any kind needs that.
    """
    from atoll.fleet.join import join as join_cluster
    from atoll.fleet.rights import Rights
    from atoll.kube.client import Client
    from atoll.kube.config import load_kubeconfig

    try:
        granted = Rights.parse(rights)
    except ValueError as error:
        raise UsageError(str(error)) from error
    member_config = load_kubeconfig(kubeconfig, context)
    async with session.hub() as hub, Client(member_config, timeout=session.timeout) as member:
        result = await join_cluster(
            hub,
            member,
            member_config,
            name,
            provider=provider,
            region=region,
            zone=zone,
            labels=key_values(labels, "--labels"),
            taints=[taint(t) for t in taints] if taints else None,
            rights=granted,
        )
    for warning in result.warnings:
        warn(warning)
    print(f"cluster/{name} {'joined again, credentials renewed' if result.reissued else 'joined'}")
    note(f"Kubernetes {result.version} at {member_config.server}, rights: {granted}")


@verb(cluster, "list")
async def list_clusters(session: Session, output: Output = "", no_headers: NoHeaders = False) -> None:
    """List the clusters of the fleet."""
    from atoll.api.cluster import Cluster
    from atoll.kube.resources import CLUSTERS

    check_output(output)
    async with session.hub() as hub:
        items = (await hub.list(CLUSTERS)).items
    if output not in {"", "wide"}:
        emit([item.body() for item in items], output)
    elif not items:
        note("no clusters; bring one in with: atoll cluster join NAME --kubeconfig FILE")
    else:
        print(_table([(item, item.read(Cluster)) for item in items], wide=output == "wide", headers=not no_headers))


def _table(items: "list[tuple[Object, Cluster]]", *, wide: bool, headers: bool) -> str:
    titles = ["NAME", "STATUS", "MODE", "VERSION", "PROVIDER", "REGION", "NODES"]
    if wide:
        titles += ["ZONE", "CPU", "MEMORY", "PODS", "REASON"]
    rows = []
    for item, c in items:
        status = c.status
        row: list[object] = [item.name, state(item, c), c.spec.connection.mode, status.version]
        row += [c.spec.provider, c.spec.region or status.region]
        row.append(f"{status.ready_nodes}/{status.nodes}" if status.version else "")
        if wide:
            used, most = status.requested, status.allocatable
            row += [c.spec.zone or status.zone]
            row += [f"{used.cpu:g}/{most.cpu:g}", _memory(used.memory, most.memory)] if used and most else ["", ""]
            row += [f"{used.pods}/{most.pods}" if used and most else "", _trouble(c)]
        rows.append([*row, age(item.created)])
    return table([*titles, "AGE"], rows, headers=headers, cut=not wide)


def state(item: "Object", c: "Cluster") -> str:
    """Ready, NotReady, Unknown or Leaving, and whether it is cordoned."""
    conditions = {condition.type: condition.status for condition in c.status.conditions}
    word = {"True": "Ready", "False": "NotReady"}.get(conditions.get("Ready", ""), "Unknown")
    if item.deleting:
        word = "Leaving"
    return f"{word},Cordoned" if c.spec.cordoned else word


def _trouble(c: "Cluster") -> str:
    return next(
        (f"{x.reason}: {x.message}" for x in c.status.conditions if x.type == "Reachable" and x.status != "True"), ""
    )


def _memory(used: int, most: int) -> str:
    return f"{used / 2**30:.1f}/{most / 2**30:.1f}Gi"


@verb(cluster, "describe")
async def describe(session: Session, name: ClusterName) -> None:
    """Show everything about one cluster.

    A heartbeat measured now, conditions, capacity, credentials, what runs there.
    """
    from atoll.api.cluster import Cluster
    from atoll.kube.resources import CLUSTERS

    async with session.hub() as hub:
        item = await hub.get(CLUSTERS, name)
        c = item.read(Cluster)
        live, credential, link, apps, events = await asyncio.gather(
            _heartbeat(session, hub, c),
            _credential(hub, c),
            agent_facts(hub, c),
            _applications(hub, name),
            _events(hub, item),
        )
    print(fields(_facts(item, c) | credential))
    print("Heartbeat:\n" + fields(live, indent=2))
    if link:
        print("Agent:\n" + fields(link, indent=2))
    for title, text in (
        ("Conditions", _conditions(c)),
        ("Capacity", _capacity(c)),
        ("Applications", apps),
        ("Events", events),
    ):
        print(f"{title}:\n{text}" if text else f"{title + ':':<14} {printing.NONE}")


def _facts(item: "Object", c: "Cluster") -> dict[str, object]:
    return {
        "Name": item.name,
        "Status": state(item, c),
        "Mode": c.spec.connection.mode,
        "Labels": ", ".join(f"{k}={v}" for k, v in sorted(item.labels.items())),
        "Provider": c.spec.provider,
        "Region": c.spec.region or c.status.region,
        "Zone": c.spec.zone or ", ".join(c.status.zones) or c.status.zone,
        "Taints": ", ".join(f"{t.key}={t.value}:{t.effect}" for t in c.spec.taints),
        "Version": c.status.version,
        "UID": c.status.uid,
        "Nodes": f"{c.status.ready_nodes} ready of {c.status.nodes}" if c.status.version else "",
        "Age": age(item.created),
    }


async def _heartbeat(session: Session, hub: "Client", c: "Cluster") -> dict[str, object]:
    """Three round trips to the member, from here: the hub's own view is in the conditions."""
    from atoll.kube.errors import KubeError

    if c.spec.connection.mode == "pull":
        return await _heartbeat_through_hub(hub, c.metadata.name)
    try:
        async with session.member(hub, c.metadata.name) as member:
            server = member.config.server
            trips = []
            for _ in range(3):
                began = time.perf_counter()
                await member.request("GET", "/version", timeout=5.0)
                trips.append((time.perf_counter() - began) * 1000)
            return {"Server": server, "Answers": "yes", "Latency": f"{min(trips):.1f} ms (first {trips[0]:.1f} ms)"}
    except (KubeError, CommandError) as error:
        return {"Answers": f"no: {error}"}


async def _heartbeat_through_hub(hub: "Client", name: str) -> dict[str, object]:
    """Three round trips by way of the hub and the member's agent."""
    from atoll.fleet.asking import asking_through_hub
    from atoll.kube.errors import KubeError
    from atoll.pull.protocol import Probe

    try:
        async with asking_through_hub(hub, name) as ask:
            trips = []
            for _ in range(3):
                began = time.perf_counter()
                _ = [answer async for answer in ask(Probe())]
                trips.append((time.perf_counter() - began) * 1000)
    except KubeError as error:
        return {"Answers": f"no: {error}"}
    return {"Answers": "yes", "Latency": f"{min(trips):.1f} ms (first {trips[0]:.1f} ms), through hub and agent"}


async def _credential(hub: "Client", c: "Cluster") -> dict[str, object]:
    from atoll.api.names import SYSTEM_NAMESPACE
    from atoll.fleet import credentials
    from atoll.fleet.connect import read_secret, secret_name
    from atoll.kube.errors import KubeError
    from atoll.kube.resources import SECRETS

    match c.spec.connection.mode:
        case "pull":
            return {"Credentials": "none on the hub: the member's agent calls"}
        case "tunnel":
            return {"Credentials": "a token of the hub's account, from the member's agent, in the hub's memory only"}
    try:
        secret = await hub.get(SECRETS, secret_name(c), SYSTEM_NAMESPACE)
        known = credentials.read(secret, read_secret(secret)[0])
    except (KubeError, ValueError) as error:
        return {"Credentials": f"unknown: {error}"}
    until = format_time(known.expires) if known.expires else "no end"
    if not known.managed:
        return {"Credentials": f"a user's own, not renewed by Atoll; until {until}"}
    turn = format_time(known.rotate_at) if known.rotate_at else ""
    return {"Credentials": f"managed, until {until}, renewed at {turn}", "Rights": known.rights}


def _conditions(c: "Cluster") -> str:
    rows = [(x.type, x.status, x.reason, age(x.last_transition_time), x.message) for x in c.status.conditions]
    return table(["TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"], rows, indent=2, whole=True) if rows else ""


def _capacity(c: "Cluster") -> str:
    most, used = c.status.allocatable, c.status.requested
    if not most:
        return ""
    if not used:  # with rights in single namespaces, the Pods of the others are not seen
        unknown = (("cpu", f"{most.cpu:g}"), ("memory", f"{most.memory / 2**30:.1f}Gi"), ("pods", most.pods))
        rest = [(name, "unknown", offered, "") for name, offered in unknown]
        return table(["RESOURCE", "REQUESTED", "ALLOCATABLE", "USED"], rest, indent=2)
    rows: list[tuple[object, ...]] = [
        ("cpu", f"{used.cpu:g}", f"{most.cpu:g}", _percent(used.cpu, most.cpu)),
        ("memory", f"{used.memory / 2**30:.1f}Gi", f"{most.memory / 2**30:.1f}Gi", _percent(used.memory, most.memory)),
        ("pods", used.pods, most.pods, _percent(used.pods, most.pods)),
    ]
    return table(["RESOURCE", "REQUESTED", "ALLOCATABLE", "USED"], rows, indent=2)


def _percent(used: float, most: float) -> str:
    return f"{used / most:.0%}" if most else ""


async def _applications(hub: "Client", name: str) -> str:
    from atoll.cli.application.view import read_view
    from atoll.kube.resources import APPLICATIONS

    rows = [
        (item.namespace, item.name, row.state, row.health, row.ready)
        for item in (await hub.list(APPLICATIONS)).items
        for row in read_view(item).status.clusters
        if row.name == name
    ]
    return table(["NAMESPACE", "NAME", "STATE", "HEALTH", "READY"], rows, indent=2) if rows else ""


async def _events(hub: "Client", item: "Object") -> str:
    from atoll.cli.application.events import event_rows
    from atoll.kube.resources import EVENTS

    found = (await hub.list(EVENTS, "default", fields=f"involvedObject.uid={item.uid}")).items
    rows = [row.cells() for row in event_rows("", found)][-10:]
    return table(["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"], rows, indent=2, whole=True) if rows else ""


@verb(cluster, "cordon")
async def cordon(session: Session, names: ClusterNames, dry_run: DryRunOption = DryRun.NONE) -> None:
    """Place no Application newly on a cluster; those that are there stay."""
    await _set_cordoned(session, names, cordoned=True, dry_run=dry_run)


@verb(cluster, "uncordon")
async def uncordon(session: Session, names: ClusterNames, dry_run: DryRunOption = DryRun.NONE) -> None:
    """Let Applications be placed on a cluster again; one that was drained is filled again."""
    await _set_cordoned(session, names, cordoned=False, dry_run=dry_run)


@verb(cluster, "drain")
async def drain(
    session: Session,
    name: ClusterName,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until nothing is left to leave.")] = True,
    timeout: Timeout = "10m",
    dry_run: DryRunOption = DryRun.NONE,
) -> ExitCode | None:
    """Let every Application leave a cluster, each when it runs elsewhere; `uncordon` takes it back.

    An Application that has nowhere else to go stays, and is named at the end, which is then 3. `--dry-run=server` shows
    where all would go, as `what-if` does.
    """
    from atoll.cli.draining import Draining

    seconds = parse_duration(timeout)
    async with session.hub() as hub:
        draining = Draining(hub, name)
        await draining.begin(dry_run)
        print(said("cluster", name, "is being drained", dry_run))
        if dry_run is not DryRun.NONE:
            return await _where_they_go(hub, name) if dry_run is DryRun.SERVER else None
        staying = await draining.watch(seconds, say=lambda text: note(f"cluster/{name}: {text}")) if wait else ()
    for line in staying:
        note(line)
    if wait:
        print(f"cluster/{name} drained" + (f", but {len(staying)} stay" if staying else ""))
    return ExitCode.PARTIAL if staying else None


async def _where_they_go(hub: "Client", name: str) -> ExitCode | None:
    from atoll.cli.foreseen import fates
    from atoll.cli.whatif import tell

    found = await fates(hub, "", lost=frozenset({name}), regions=frozenset(), added=[])
    tell(found)
    return ExitCode.PARTIAL if any(fate.trouble for fate in found) else None


async def _set_cordoned(session: Session, names: list[str], *, cordoned: bool, dry_run: DryRun) -> None:
    from atoll.api.cluster import Cluster
    from atoll.cli.changing import MANAGER
    from atoll.kube.resources import CLUSTERS

    word = "cordoned" if cordoned else "uncordoned"
    async with session.hub() as hub:
        for name in names:
            spec = (await hub.get(CLUSTERS, name)).read(Cluster).spec
            if spec.cordoned == cordoned and not (spec.drained and not cordoned):
                print(f"cluster/{name} already {word}")
                continue
            change = {"cordoned": cordoned} | ({} if cordoned else {"drained": None})
            if dry_run is not DryRun.CLIENT:
                dry = dry_run is DryRun.SERVER
                await hub.patch(CLUSTERS, name, "", {"spec": change}, type="merge", manager=MANAGER, dry_run=dry)
            print(said("cluster", name, word, dry_run))


@verb(cluster, "leave")
async def leave(
    session: Session,
    name: ClusterName,
    force: Annotated[bool, typer.Option("--force", help="The member is gone for good: send nothing to it.")] = False,
    delete_objects: Annotated[
        bool,
        typer.Option("--delete-objects", help="Delete what Applications delivered there; else it stays, unmarked."),
    ] = False,
    timeout: Timeout = "2m",
    dry_run: DryRunOption = DryRun.NONE,
) -> ExitCode | None:
    """Take a cluster out of the fleet and clean it up.

    What Applications delivered there keeps running, as if applied by hand, unless --delete-objects is given. Atoll's
    own account and rights are removed. --force is for a member that is gone for good: it says what stays behind.
    """
    from atoll.fleet.identity import hub_identity
    from atoll.fleet.leave import LeaveTimeoutError, Manner, leftovers
    from atoll.fleet.leave import leave as leave_fleet
    from atoll.kube.resources import CLUSTERS

    if force and delete_objects:
        raise UsageError("--force sends nothing to the member, so nothing can be deleted there: give one of the two")
    seconds = parse_duration(timeout)
    async with session.hub() as hub:
        await hub.get(CLUSTERS, name)
        behind = await leftovers(hub, name, (await hub_identity(hub, create=False)).id) if force else ()
        if dry_run is not DryRun.NONE:
            print(f"cluster/{name} would leave ({dry_run.value} dry run)")
            return None
        try:
            how: Manner = "force" if force else "delete" if delete_objects else "orphan"
            await leave_fleet(
                hub, name, how, timeout=seconds, progress=lambda text: note(f"cluster/{name}: {one_line(text)}")
            )
        except LeaveTimeoutError as error:
            hint = "it goes on leaving; --force gives the member up" if not force else ""
            raise CommandError(f"cluster {name} has not left after {timeout}: {error.waiting}", hint) from error
    print(f"cluster/{name} left")
    for line in _behind(behind):
        note(line)
    return None


def _behind(lines: tuple[str, ...]) -> Iterator[str]:
    if lines:
        yield "left behind in the member, should it ever come back:"
        yield from (f"  {line}" for line in lines)
