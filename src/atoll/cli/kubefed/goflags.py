"""Command lines as Go programs take them, rewritten as ours do: `--dry-run=false`, `-n=demo`, `--host_cluster_name`.

Scripts that start KubeFed's programs are written so. Go's flags about where log lines go are taken as well: here they
go to standard error.
"""

from collections.abc import Iterable, Iterator

from atoll.cli.exits import UsageError
from atoll.cli.printing import warn

TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})
OF_LOGS = {
    "add-dir-header": False,
    "alsologtostderr": False,
    "log-backtrace-at": True,
    "log-dir": True,
    "log-file": True,
    "log-file-max-size": True,
    "logtostderr": False,
    "one-output": False,
    "skip-headers": False,
    "skip-log-headers": False,
    "stderrthreshold": True,
    "vmodule": True,
}
"""By name, whether it takes a value. Those that would lead log lines elsewhere are warned about."""
ELSEWHERE = frozenset({"log-dir", "log-file"})


def rewritten(arguments: Iterable[str], *, flags: frozenset[str], valued: frozenset[str]) -> list[str]:
    """`arguments` as ours. `flags` are those that are on or off, `valued` those with a value; with their dashes.

    An empty argument is what an unset variable in quotes leaves: it is dropped where it is no value. Raises UsageError.
    """
    return list(_rewritten(iter(arguments), flags, valued))


def _rewritten(arguments: Iterator[str], flags: frozenset[str], valued: frozenset[str]) -> Iterator[str]:
    for argument in arguments:
        if argument == "--":
            yield argument
            yield from arguments
            return
        if not argument:
            continue
        if not argument.startswith("-"):
            yield argument
            continue
        name, equals, value = argument.partition("=")
        name = f"--{name[2:].replace('_', '-')}" if name.startswith("--") else name
        if name.lstrip("-") in OF_LOGS and name.startswith("--"):
            _about_logs(name, equals, arguments)
        elif name in flags:
            yield _switched(name, value) if equals else name
        elif name in valued:
            yield name
            yield value if equals else next(arguments, "")
        else:
            yield argument


def _switched(name: str, value: str) -> str:
    if value in TRUE:
        return name
    if value in FALSE:
        return f"--no-{name.removeprefix('--')}"
    raise UsageError(f"{name}: {value!r} is neither true nor false")


def _about_logs(name: str, equals: str, arguments: Iterator[str]) -> None:
    plain = name.lstrip("-")
    if OF_LOGS[plain] and not equals:
        next(arguments, "")
    if plain in ELSEWHERE:
        warn(f"{name} is not followed: log lines go to standard error")
