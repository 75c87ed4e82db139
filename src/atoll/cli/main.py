"""`atoll`: the nouns together, and how a run of the whole program ends."""

import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from atoll import __version__
from atoll.cli import agent, completion, hub, install, kubectl, migrate, registering, resuming, up, whatif
from atoll.cli import app as app_commands
from atoll.cli import cluster as cluster_commands
from atoll.cli.exits import ExitCode
from atoll.cli.kubefed import late as kubefed
from atoll.cli.printing import note
from atoll.cli.session import Options, report
from atoll.cli.verbs import Context, Kubeconfig, Namespace, RequestTimeout, Verbose

app = typer.Typer(
    name="atoll",
    help="Many Kubernetes clusters as one: deploy, observe and schedule applications on all of them.",
    epilog="Exit codes: 0 done; 1 failed (diff: differs); 2 wrong usage; 3 done in part; 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"atoll {__version__}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
    request_timeout: RequestTimeout = None,
    verbose: Verbose = 0,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Remember the options that stand before the verb."""
    ctx.obj = Options(kubeconfig, context, namespace, request_timeout, verbose)


cluster_commands.register(app)
resuming.register(cluster_commands.cluster)
registering.register(app, cluster_commands.cluster)
agent.register(app)
kubectl.register(app)
app_commands.register(app)
whatif.register(app)
up.register(app)
hub.register(app)
install.register(app)
kubefed.register(app)
migrate.register(app)
completion.register(app)


def program_name(argv0: str) -> str:
    """As the user calls it: kubectl starts its plug-in `kubectl-atoll` for `kubectl atoll`."""
    return "kubectl atoll" if Path(argv0).name.startswith("kubectl-") else "atoll"


def run() -> None:
    """The entry point of both scripts."""
    sys.exit(main(sys.argv[1:], program_name(sys.argv[0])))


def main(arguments: list[str], name: str = "atoll") -> int:
    """Run one command line to its exit code."""
    return carried_out(app, arguments, name)


def carried_out(commands: typer.Typer, arguments: list[str], name: str) -> int:
    """Run one command line of `commands`, a program called `name`, to its exit code."""
    from typer import _click

    if isinstance(sys.stdout, io.TextIOWrapper):  # where the locale has no such character, its code is shown
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return int(commands(arguments, prog_name=name, standalone_mode=False) or 0)
    except _click.exceptions.NoArgsIsHelpError as asked:
        print(asked.format_message())
        return int(ExitCode.USAGE)
    except _click.exceptions.UsageError as wrong:
        note(f"error: {wrong.format_message()}")
        if wrong.ctx is not None:
            note(f"hint: {wrong.ctx.command_path} --help")
        return int(ExitCode.USAGE)
    except (typer.Abort, KeyboardInterrupt):
        return int(ExitCode.INTERRUPTED)
    except Exception as error:
        return report(error)
