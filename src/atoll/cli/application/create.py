"""`atoll app create`: a Deployment, and a Service with it, without writing YAML."""

from typing import Annotated, Any

import typer

from atoll.cli.application import placing
from atoll.cli.application.deploy import CreateNamespace, Force, Wait, send
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
from atoll.cli.application.status import AppName
from atoll.cli.changing import DryRun, DryRunOption
from atoll.cli.exits import ExitCode, UsageError
from atoll.cli.options import number
from atoll.cli.session import Session, parse_duration
from atoll.cli.verbs import Timeout, verb


def register(app: typer.Typer) -> None:
    verb(app, "create")(create)


async def create(
    session: Session,
    name: AppName,
    image: Annotated[str, typer.Option("--image", metavar="IMAGE", help="The container's image.")],
    clusters: Clusters = None,
    all_clusters: AllClusters = False,
    selector: Selector = "",
    where: Where = "",
    replicas: Replicas = None,
    total: Total = None,
    weights: Weights = None,
    port: Annotated[
        list[str] | None,
        typer.Option("--port", metavar="PORT[:TARGET]", help="With a Service for it; may be repeated."),
    ] = None,
    env: Annotated[list[str] | None, typer.Option("--env", metavar="K=V", help="A variable; may be repeated.")] = None,
    command: Annotated[
        list[str] | None, typer.Option("--command", metavar="WORD", help="Instead of the image's; once a word.")
    ] = None,
    args: Annotated[list[str] | None, typer.Option("--arg", metavar="WORD", help="Once an argument.")] = None,
    image_registry: ImageRegistry = None,
    image_on: Image = None,
    env_on: Env = None,
    create_namespace: CreateNamespace = False,
    wait: Wait = False,
    timeout: Timeout = "5m",
    dry_run: DryRunOption = DryRun.NONE,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FORM", help="yaml or json: print it, too.")] = "",
    force_conflicts: Force = False,
) -> ExitCode | None:
    """Make an application of one image.

    That is a Deployment, and with --port a Service.

        atoll app create web --image nginx:1.29 --clusters eu-1,us-1 --total 9 --weights eu-1=2,us-1=1 --port 80

    `--dry-run=client -o yaml` prints it to start a file from.
    """
    from atoll.cli.application.checking import check
    from atoll.cli.printing import aside, emit

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
    if output not in {"", "yaml", "json"}:
        raise UsageError(f"no such output: {output!r}", "yaml or json")
    if not image.strip():
        raise UsageError("--image is empty", "a variable that isn't set?")
    ports = [_port(text) for text in port or ()]
    manifests = [deployment(name, image, ports, env or [], command or [], args or [])]
    if ports:
        manifests.append(service(name, ports))
    body = placing.wrap(name, session.namespace, manifests, wishes)
    if output:
        if dry_run is DryRun.CLIENT:
            check(body)
        emit([body], output, single=True)
        if dry_run is DryRun.CLIENT:
            return None
    with aside(output):
        return await send(
            session,
            [body],
            dry_run=dry_run,
            force=force_conflicts,
            create_namespace=create_namespace,
            wait=parse_duration(timeout) if wait else None,
        )


def deployment(
    name: str, image: str, ports: list[tuple[int, int]], env: list[str], command: list[str], args: list[str]
) -> dict[str, Any]:
    """A Deployment without a number of replicas: the Application says it, or it is 1."""
    container: dict[str, Any] = {"name": name[:63], "image": image}
    if command:
        container["command"] = command
    if args:
        container["args"] = args
    if ports:
        container["ports"] = [{"containerPort": target} for target in dict.fromkeys(target for _, target in ports)]
    if env:
        container["env"] = [_variable(text) for text in env]
    labels = {"app.kubernetes.io/name": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def service(name: str, ports: list[tuple[int, int]]) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": name}
    shown = [{"name": f"port-{port}", "port": port, "targetPort": target} for port, target in ports]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": labels},
        "spec": {"selector": labels, "ports": shown},
    }


def _port(text: str) -> tuple[int, int]:
    """`80` or `80:8080`."""
    port, _, target = text.partition(":")
    result = number(port, "--port"), number(target or port, "--port")
    if not all(0 < each < 65536 for each in result):
        raise UsageError(f"--port: {text!r}: ports are 1 to 65535")
    return result


def _variable(text: str) -> dict[str, str]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise UsageError(f"--env: {text!r} is not KEY=VALUE")
    return {"name": key, "value": value}
