"""The group `kubefed` among Atoll's commands, built when it is called: most runs of `atoll` have no use for it."""

from functools import cache
from typing import Any

import typer
from typer.core import TyperGroup

HELP = "KubeFed's commands: clusters joined and let go, types enabled, objects federated. Also called kubefedctl."


class LateGroup(TyperGroup):
    """Has the commands of `app`, and reads command lines as that does."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        from atoll.cli.kubefed.app import as_ours

        return super().parse_args(ctx, as_ours(args))

    @property
    def commands(self) -> Any:
        return _commands()

    @commands.setter
    def commands(self, value: Any) -> None:
        """What the base class begins with: none."""


@cache
def _commands() -> Any:
    from atoll.cli.kubefed.app import app

    return typer.main.get_command(app).commands  # type: ignore[attr-defined]  # it is a group


def register(root: typer.Typer) -> None:
    root.add_typer(typer.Typer(name="kubefed", cls=LateGroup, help=HELP, no_args_is_help=True, rich_markup_mode=None))
