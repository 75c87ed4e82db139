"""`atoll completion`: the script that a shell reads to complete commands and options."""

from typing import Annotated

import typer

from atoll.cli.exits import UsageError
from atoll.cli.session import Session
from atoll.cli.verbs import verb

SHELLS = ("bash", "zsh", "fish")


def register(app: typer.Typer) -> None:
    verb(app, "completion")(completion)


async def completion(
    _: Session, shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")]
) -> None:
    """Print the completion script of a shell.

        source <(atoll completion bash)

    For every shell to come, write that line into its start file, such as ~/.bashrc.
    """
    from typer._completion_shared import get_completion_script

    if shell not in SHELLS:
        raise UsageError(f"no completion for {shell!r}", f"one of: {', '.join(SHELLS)}")
    print(get_completion_script(prog_name="atoll", complete_var="_ATOLL_COMPLETE", shell=shell))
