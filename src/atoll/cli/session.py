"""What every command starts from: the options that all have, which hub they mean, and the run itself."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from atoll.cli.exits import CommandError, ExitCode, UsageError, explain
from atoll.cli.printing import clean, note

if TYPE_CHECKING:
    from atoll.kube.client import Client
    from atoll.kube.config import Config


AS_LONG_AS_IT_TAKES = 365 * 86400.0


class Options(msgspec.Struct, frozen=True):
    """The options of every command. None is "not given"; what stands after the verb goes before what stands ahead."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    request_timeout: str | None = None
    verbose: int = 0

    def over(self, outer: "Options") -> "Options":
        """These options, and where they say nothing those of `outer`."""
        given = {name: getattr(self, name) for name in self.__struct_fields__}
        return msgspec.structs.replace(outer, **{name: value for name, value in given.items() if value})


class Session:
    """One run of one command."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._config: Config | None = None

    @property
    def config(self) -> "Config":
        """How the hub is reached. Raises ConfigError."""
        if self._config is None:
            self._config = hub_config(self.options)
        return self._config

    @property
    def namespace(self) -> str:
        """The flag's, else the context's, else `default`."""
        return self.options.namespace or self.config.namespace or "default"

    @property
    def timeout(self) -> float:
        """Seconds for one request; for 0, as kubectl has it, as long as it takes."""
        return parse_duration(self.options.request_timeout or "30s") or AS_LONG_AS_IT_TAKES

    @asynccontextmanager
    async def hub(self) -> "AsyncIterator[Client]":
        """A client of the hub."""
        from atoll.kube.client import Client

        async with Client(self.config, timeout=self.timeout) as client:
            yield client

    @asynccontextmanager
    async def member(self, hub: "Client", cluster: str) -> "AsyncIterator[Client]":
        """A client of a member, by the credentials that the hub keeps: the user must be allowed to read them."""
        from atoll.fleet.connect import connect, through_hub
        from atoll.fleet.grants import granted
        from atoll.kube.client import Client
        from atoll.kube.errors import Forbidden, NotFound

        try:
            if await through_hub(hub, cluster):
                async with granted(hub, cluster) as config, Client(config, timeout=self.timeout) as way:
                    yield way
                return
            client = await connect(hub, cluster)
        except Forbidden as error:
            raise CommandError(
                f"cluster {cluster}: you may not read its credentials: {error}",
                "this command looks into the members; it needs `get` on Secrets in atoll-system of the hub",
            ) from error
        except NotFound as error:
            raise CommandError(f"there is no cluster {cluster}", "atoll cluster list") from error
        async with client:
            yield client


def hub_config(options: Options) -> "Config":
    """Which hub is meant, the first of these that there is.

    --kubeconfig · $ATOLL_KUBECONFIG · the fleet in $ATOLL_HOME · $KUBECONFIG · the fleet of `atoll up` ·
    ~/.kube/config · the Pod's own service account.
    """
    from atoll.kube.config import in_cluster, load_kubeconfig

    path = kubeconfig_path(options.kubeconfig)
    if path is None and not os.environ.get("KUBECONFIG") and not (Path.home() / ".kube" / "config").exists():
        if os.environ.get("KUBERNETES_SERVICE_HOST") and options.context:
            raise CommandError(
                f"there is no context {options.context}: this Pod has no kubeconfig",
                "give --kubeconfig; without --context, the Pod's own cluster is meant",
            )
        if os.environ.get("KUBERNETES_SERVICE_HOST"):
            return in_cluster()
        raise CommandError("no kubeconfig: which hub is meant?", "make a fleet with `atoll up`, or give --kubeconfig")
    return load_kubeconfig(path, options.context)


def kubeconfig_path(flag: str | None) -> Path | None:
    """The file that `hub_config` reads; None leaves it to $KUBECONFIG and ~/.kube/config."""
    for given in (flag, os.environ.get("ATOLL_KUBECONFIG")):
        if given:
            return Path(given).expanduser()
    own = state_folder() / "kubeconfig"
    if own.exists() and (os.environ.get("ATOLL_HOME") or not os.environ.get("KUBECONFIG")):
        return own
    return None


def state_folder() -> Path:
    """Where `atoll up` keeps its fleet: $ATOLL_HOME, else in the user's data folder."""
    if home := os.environ.get("ATOLL_HOME"):
        return Path(home).expanduser()
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share").expanduser() / "atoll"


def parse_duration(text: str) -> float:
    """Seconds of `90s`, `1m30s`, `2h` or a bare number of seconds. Raises UsageError."""
    import re

    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UsageError(f"not a duration: {text!r}", "such as 30s, 5m or 1h30m")
    return sum(float(number) * units[unit] for number, unit in parts)


def perform(
    work: Coroutine[Any, Any, ExitCode | None],
    *,
    failed: ExitCode = ExitCode.ERROR,
    verbose: int = 0,
    serves: bool = False,
) -> int:
    """Run a command to its exit code. Errors end as one line on stderr, with a hint below; `-v` adds the cause.
    `serves`: it stays and is asked, so that a quicker loop is worth its import.
    """
    try:
        with asyncio.Runner(loop_factory=_serving_loop if serves else None) as runner:
            return int(runner.run(work) or ExitCode.OK)
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    except Exception as error:
        single = _single(error)
        if isinstance(single, BrokenPipeError):  # whoever read it has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return int(ExitCode.OK)
        return report(single, failed=failed, verbose=verbose)


def _serving_loop() -> asyncio.AbstractEventLoop:
    from atoll.runtime.loop import serving_loop

    return serving_loop()


def report(error: Exception, *, failed: ExitCode = ExitCode.ERROR, verbose: int = 0) -> int:
    """Print why, and say with which code to end."""
    told = explain(error)
    if verbose:
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    note(f"error: {clean(told)}")
    if told.hint:
        note(f"hint: {told.hint}")
    return int(failed if told.code is ExitCode.ERROR else told.code)


def _single(error: Exception) -> Exception:
    """The first error of a task group: the others were cancelled for its sake."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
