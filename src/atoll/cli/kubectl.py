"""`atoll kubectl`: kubectl on a member, through the hub."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atoll.cli.exits import CommandError
from atoll.cli.session import Options, Session, perform

if TYPE_CHECKING:
    from atoll.kube.client import Client


def register(app: typer.Typer) -> None:
    app.command(
        "kubectl",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False},
    )(kubectl)


def kubectl(ctx: typer.Context, cluster: Annotated[str, typer.Argument(metavar="NAME", help="The cluster.")]) -> None:
    """Run kubectl on a cluster, through the hub: `atoll kubectl eu-1 get pods -A`.

    Whatever follows NAME is kubectl's: get, logs -f, exec -it, port-forward, cp. It takes the right to write Secrets in
    atoll-system of the hub, and acts on the cluster with the hub's rights there.
    """
    session = Session(ctx.find_root().obj or Options())
    codes: list[int] = []

    async def work() -> None:
        codes.append(await _run(session, cluster, theirs(ctx.args)))

    failed = perform(work())
    raise typer.Exit(failed or codes[0])


def theirs(arguments: list[str]) -> list[str]:
    """What is kubectl's; a `--` before it, out of habit, is nobody's."""
    return arguments[1:] if arguments[:1] == ["--"] else list(arguments)


async def _run(session: Session, cluster: str, arguments: list[str]) -> int:
    """Kubectl's exit code."""
    from atoll.fleet.grants import granted

    program = _program()
    async with session.hub() as hub, _reached(hub, cluster), granted(hub, cluster) as config:
        with tempfile.TemporaryDirectory(prefix="atoll-") as folder:  # which its owner alone may read
            path = Path(folder) / "kubeconfig"
            path.touch(mode=0o600)
            path.write_bytes(config.to_kubeconfig(cluster))
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C reaches kubectl by itself
            environment = os.environ | {"KUBECONFIG": str(path)}
            child = await asyncio.create_subprocess_exec(program, *arguments, env=environment)
            loop.add_signal_handler(signal.SIGTERM, child.terminate)
            return as_shells_say(await child.wait())


def as_shells_say(code: int) -> int:
    """An exit code, of a signal that ended the program, too."""
    return code if code >= 0 else 128 - code


@asynccontextmanager
async def _reached(hub: "Client", cluster: str) -> AsyncIterator[None]:
    """Raises CommandError where kubectl would only say that it finds nothing; who may not look is not kept from it."""
    from atoll.api.cluster import Cluster
    from atoll.kube.errors import Forbidden, NotFound
    from atoll.kube.resources import CLUSTERS

    with contextlib.suppress(Forbidden):
        try:
            mode = (await hub.get(CLUSTERS, cluster)).read(Cluster).spec.connection.mode
        except NotFound as error:
            raise CommandError(f"there is no cluster {cluster}", "atoll cluster list") from error
        if mode == "pull":
            raise CommandError(
                f"cluster {cluster} is in pull mode: no way leads from the hub to its API server",
                "use a kubeconfig of its own; atoll app status, logs, events and tree look into it all the same",
            )
    yield


def _program() -> str:
    """On PATH, else Atoll's own."""
    from atoll.testing.binaries import Binaries, MissingBinaryError

    found = shutil.which("kubectl")
    if found:
        return found
    try:
        return str(Binaries().find("kubectl"))
    except MissingBinaryError as error:
        raise CommandError("there is no kubectl", str(error)) from error
