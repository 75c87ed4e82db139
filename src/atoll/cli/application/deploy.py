"""`atoll app deploy`: Applications from files, or plain manifests made into one."""

from typing import TYPE_CHECKING, Annotated

import typer

from atoll.cli.application import files, placing
from atoll.cli.application.placing import (
    AllClusters,
    Clusters,
    Env,
    Image,
    ImageRegistry,
    Replicas,
    Selector,
    Total,
    Weights,
    Where,
    Wishes,
)
from atoll.cli.application.preview import foretell
from atoll.cli.changing import DryRun, DryRunOption, apply_application, said
from atoll.cli.exits import CommandError, ExitCode, UsageError
from atoll.cli.session import Session, parse_duration
from atoll.cli.verbs import Timeout, verb

if TYPE_CHECKING:
    from atoll.api.objects import Json
    from atoll.kube.client import Client

Wait = Annotated[bool, typer.Option("--wait", help="Until it is ready everywhere.")]
Force = Annotated[
    bool, typer.Option("--force-conflicts", help="Take over fields that others set, such as kubectl edit.")
]
CreateNamespace = Annotated[
    bool, typer.Option("--create-namespace", help="Make the namespace on the hub when missing.")
]


def register(app: typer.Typer) -> None:
    verb(app, "deploy")(deploy)


async def deploy(
    session: Session,
    filename: Annotated[
        list[str], typer.Option("--filename", "-f", metavar="FILE", help="A file, a folder, or - for standard input.")
    ],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Of the application; else the file's name.")] = "",
    clusters: Clusters = None,
    all_clusters: AllClusters = False,
    selector: Selector = "",
    where: Where = "",
    replicas: Replicas = None,
    total: Total = None,
    weights: Weights = None,
    image_registry: ImageRegistry = None,
    image_on: Image = None,
    env_on: Env = None,
    adopt: Annotated[bool, typer.Option("--adopt", help="Take over objects that exist on the members.")] = False,
    create_namespace: CreateNamespace = False,
    wait: Wait = False,
    timeout: Timeout = "5m",
    dry_run: DryRunOption = DryRun.NONE,
    force_conflicts: Force = False,
) -> ExitCode | None:
    r"""Deploy Applications, or plain manifests as one Application.

    Files with Applications are applied as they are. Any other manifests become one Application, placed by the options:

        atoll app deploy -f shop.yaml --clusters eu-1,us-1 \
            --image-registry us-1=registry.example --replicas eu-1:web=3

    What is for one cluster begins with its name; * is every cluster:
    --image-registry CLUSTER=HOST, --image-on CLUSTER:FROM=TO, --env-on CLUSTER:WORKLOAD:K=V,
    --replicas CLUSTER:WORKLOAD=N. Without a cluster, --replicas N or WORKLOAD=N holds everywhere;
    --total N with --weights A=2,B=1 is divided.
    """
    wishes = Wishes(
        tuple(clusters or ()),
        all_clusters,
        selector,
        where,
        tuple(replicas or ()),
        tuple(total or ()),
        tuple(weights or ()),
        tuple(image_registry or ()),
        tuple(image_on or ()),
        tuple(env_on or ()),
    )
    bodies = applications(
        files.read_all(filename), session, name or files.default_name(filename), wishes, given=bool(name)
    )
    if adopt:
        for body in bodies:
            body["spec"] = {**(body.get("spec") or {}), "adopt": True}
    return await send(
        session,
        bodies,
        dry_run=dry_run,
        force=force_conflicts,
        create_namespace=create_namespace,
        wait=parse_duration(timeout) if wait else None,
    )


def applications(documents: "list[Json]", session: Session, name: str, wishes: Wishes, *, given: bool) -> "list[Json]":
    """The Applications that `documents` are or become. `given`: the user named it, so it must become one."""
    ready = [d for d in documents if files.is_application(d)]
    if not ready:
        if not name:
            raise UsageError("what is the application's name?", "give --name")
        return [placing.wrap(name, session.namespace, documents, wishes)]
    if len(ready) < len(documents):
        other = next(d for d in documents if not files.is_application(d))
        raise CommandError(
            f"Applications and plain manifests ({other.get('kind')}) together: which of them is meant?",
            "deploy them one after the other, or put the manifests into an Application",
        )
    if wishes.any or given:
        raise UsageError("the files hold Applications, which say themselves where they go: take the options away")
    return [_placed_in(body, session) for body in ready]


def _placed_in(body: "Json", session: Session) -> "Json":
    """`body` with its namespace: the file's, which a flag must not contradict, else the session's."""
    written, asked = (body.get("metadata") or {}).get("namespace"), session.options.namespace
    if written and asked and written != asked:
        raise UsageError(f"the file says namespace {written}, --namespace says {asked}")
    return files.in_namespace(body, written or session.namespace)


async def send(
    session: Session,
    bodies: "list[Json]",
    *,
    dry_run: DryRun,
    force: bool,
    create_namespace: bool = False,
    wait: float | None = None,
) -> ExitCode | None:
    """Check and apply; with `wait` seconds, until all are ready."""
    from atoll.cli.application.checking import check
    from atoll.kube.resources import CLUSTERS

    absent: set[str] = set()
    async with session.hub() as hub:
        known = frozenset(c.name for c in (await hub.list(CLUSTERS)).items)
        for body in bodies:
            namespace = str((body.get("metadata") or {}).get("namespace"))
            reach = await _reaches(hub, namespace, absent, create=create_namespace, dry_run=dry_run)
            check(body, known_clusters=known, reach=reach)
        code: ExitCode | None = None
        for body in bodies:
            asked = DryRun.CLIENT if body["metadata"]["namespace"] in absent else dry_run  # no server could check it
            _, what = await apply_application(hub, body, dry_run=asked, force=force)
            print(said("application", body["metadata"]["name"], what, dry_run))
            if dry_run is DryRun.SERVER:
                code = await foretell(session, hub, body) or code
        if wait is None or dry_run is not DryRun.NONE:
            return code
        return await wait_for(hub, bodies, wait)


async def wait_for(hub: "Client", bodies: "list[Json]", seconds: float) -> ExitCode:
    """Until all are ready, telling each change of what is waited for."""
    from atoll.cli.application.view import View
    from atoll.cli.application.waiting import until_ready
    from atoll.cli.printing import note

    said_last = ""

    def tell(view: View) -> None:
        nonlocal said_last
        summary = view.status.summary
        counts = (
            f"{summary.healthy} of {summary.clusters} clusters healthy, {summary.ready} ready" if summary else "waiting"
        )
        line = f"application/{view.name}: {counts}"
        if line != said_last:
            note(line)
            said_last = line

    for body in bodies:
        await until_ready(hub, body["metadata"]["namespace"], body["metadata"]["name"], seconds, tell)
        print(f"application/{body['metadata']['name']} is ready")
    return ExitCode.OK


async def _reaches(hub: "Client", namespace: str, absent: set[str], *, create: bool, dry_run: DryRun) -> bool:
    """Whether `namespace` of the hub may reach beyond itself, as far as can be seen; with `create` it is made, but for
    a dry run, which adds it to `absent`.
    """
    if namespace in absent:
        return False
    from atoll.api.names import LABEL_REACH
    from atoll.kube.errors import Forbidden, NotFound
    from atoll.kube.resources import NAMESPACES

    try:
        return (await hub.get(NAMESPACES, namespace)).labels.get(LABEL_REACH) == "cluster"
    except Forbidden:  # who may write Applications need not see namespaces; the hub judges
        return True
    except NotFound as error:
        if not create:
            raise CommandError(
                f"namespace {namespace} does not exist on the hub", "--create-namespace makes it, or -n names another"
            ) from error
        if dry_run is DryRun.NONE:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            await hub.create(NAMESPACES, body)
        else:
            absent.add(namespace)
        print(said("namespace", namespace, "created", dry_run))
        return False
