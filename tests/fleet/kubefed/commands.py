"""KubeFed's commands as people call them, and control planes of a test's own."""

import asyncio
import io
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout, suppress
from typing import IO, NamedTuple

from atoll.cli.kubefed.app import app
from atoll.cli.main import carried_out
from atoll.hub.kubefed.ensuring import ensure
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.resources import NAMESPACES
from tests.fleet.conftest import Fleet

PROGRAMS = {
    "kubefedctl": "from atoll.cli.kubefed.main import run; run()",
    "controller-manager": "from atoll.cli.kubefed.programs import run_manager; run_manager()",
}


class Ended(NamedTuple):
    """How a program ended."""

    code: int
    output: str
    errors: str


async def called(fleet: Fleet, line: str) -> Ended:
    """Run a command line of kubefedctl to its end, in a thread of this process: a new one takes seconds to begin."""

    def work() -> Ended:
        output, errors = io.StringIO(), io.StringIO()
        with redirect_stdout(output), redirect_stderr(errors):
            code = carried_out(app, [*line.split(), "--kubeconfig", str(fleet.kubeconfig)], "kubefedctl")
        return Ended(code, output.getvalue(), errors.getvalue())

    return await asyncio.to_thread(work)


async def started(fleet: Fleet, program: str, line: str) -> Ended:
    """Run a command line of `program` to its end, as a process."""
    process = await launched(fleet, program, line, asyncio.subprocess.PIPE, asyncio.subprocess.PIPE)
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    return Ended(process.returncode or 0, output.decode(), errors.decode())


async def launched(
    fleet: Fleet, program: str, line: str, output: int | IO[bytes], errors: int | IO[bytes]
) -> asyncio.subprocess.Process:
    """A command line of `program` as a process."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAMS[program], *line.split()),
        stdout=output,
        stderr=errors,
        env={**os.environ, "KUBECONFIG": str(fleet.kubeconfig)},
    )


class Words:
    """A `Voice` that remembers what it said."""

    def __init__(self) -> None:
        self.results: list[str] = []
        self.said: list[str] = []

    def result(self, text: str) -> None:
        self.results.append(text)

    def info(self, text: str) -> None:
        self.said.append(text)

    def detail(self, text: str) -> None:
        """Not remembered."""

    def warn(self, text: str) -> None:
        self.said.append(text)


@asynccontextmanager
async def control_plane(host: Client, *others: Client, scope: str = "Cluster") -> AsyncIterator[str]:
    """A configured control plane's namespace, in which nothing runs; gone from all clusters afterwards."""
    namespace = f"fed-{secrets.token_hex(3)}"
    await ensure(host, namespace, scope=scope, types=())
    try:
        yield namespace
    finally:
        for client in (host, *others):
            with suppress(NotFound):
                await client.delete(NAMESPACES, namespace)
