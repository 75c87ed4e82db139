"""The commands together, as `atoll kubefed` and as `kubefedctl`."""

from typing import Any

import typer
from typer.core import TyperGroup

from atoll import __version__
from atoll.cli.exits import ExitCode
from atoll.cli.kubefed import clusters, objects, types
from atoll.cli.kubefed.goflags import rewritten
from atoll.cli.kubefed.late import HELP
from atoll.cli.kubefed.options import FLAGS, VALUED, Verbosity
from atoll.cli.session import Session
from atoll.cli.verbs import verb

COMPATIBLE = "v0.10.0"
"""The version of KubeFed whose commands these are."""
ORPHANING = "orphaning-deletion"


class GoGroup(TyperGroup):
    """Takes command lines as Go programs do, options before the command, too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, as_ours(args))


def as_ours(arguments: list[str]) -> list[str]:
    """A command line of a Go program as ours. Raises UsageError."""
    return command_first(rewritten(arguments, flags=FLAGS, valued=VALUED))


def command_first(arguments: list[str]) -> list[str]:
    """Known options ahead of the command, put behind it; and behind the second word of one that has two."""
    ahead, rest = _options_ahead(arguments)
    command, rest = rest[:1], rest[1:]
    if command == [ORPHANING]:
        between, rest = _options_ahead(rest)
        command, ahead, rest = [*command, *rest[:1]], [*ahead, *between], rest[1:]
    return [*command, *ahead, *rest]


def _options_ahead(arguments: list[str]) -> tuple[list[str], list[str]]:
    ahead: list[str] = []
    rest = list(arguments)
    while rest and (rest[0] in VALUED or rest[0] in FLAGS):
        ahead += [rest.pop(0) for _ in range(2 if rest[0] in VALUED else 1) if rest]
    return ahead, rest


app = typer.Typer(
    name="kubefed",
    cls=GoGroup,
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
orphaning = typer.Typer(
    name=ORPHANING,
    help="Whether members keep their objects when a federated object goes.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

verb(app, "join")(clusters.join)
verb(app, "unjoin")(clusters.unjoin)
verb(app, "enable")(types.enable)
verb(app, "disable")(types.disable)
verb(app, "federate")(objects.federate)
app.add_typer(orphaning)
verb(orphaning, "enable")(objects.orphaning_enable)
verb(orphaning, "disable")(objects.orphaning_disable)
verb(orphaning, "status")(objects.orphaning_status)


@verb(app, "version")
async def version(session: Session, verbose: Verbosity = 0) -> ExitCode | None:
    """Say which version of KubeFed's commands these are, and of Atoll."""
    del session, verbose
    print(f"kubefedctl version: {version_info()}")
    return None


def version_info() -> str:
    """In the form in which KubeFed prints its own."""
    import platform
    import sys

    known = {
        "Version": f"{COMPATIBLE}+atoll.{__version__}",
        "GitCommit": "",
        "GitTreeState": "",
        "BuildDate": "",
        "GoVersion": "",
        "Compiler": f"{platform.python_implementation()} {platform.python_version()}",
        "Platform": f"{sys.platform}/{platform.machine()}",
    }
    return "version.Info{" + ", ".join(f'{name}:"{value}"' for name, value in known.items()) + "}"
