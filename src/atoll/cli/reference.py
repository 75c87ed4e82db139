"""The reference of the command line, written from the commands themselves.

`python -m atoll.cli.reference [--check] [FILE]` writes docs/reference/cli.md, or says that it is stale.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from atoll.cli.main import app
from atoll.cli.verbs import COMMON

HEAD = """# Command line

<!-- Generated from src/atoll/cli by `python -m atoll.cli.reference`. Don't edit. -->

`atoll`, or as kubectl's plug-in `kubectl atoll`: the same commands. `atoll completion bash` prints what a shell reads
to complete them.

## Which hub

The first of these that there is: `--kubeconfig` · `$ATOLL_KUBECONFIG` · the fleet in `$ATOLL_HOME` · `$KUBECONFIG` ·
the fleet of `atoll up` · `~/.kube/config` · the Pod's own service account. `--context` chooses a context in it.

## Exit codes

| code | meaning |
|---|---|
| 0 | done; for `diff`: nothing differs |
| 1 | failed; for `diff`: something differs |
| 2 | wrong usage |
| 3 | done on some clusters only |
| 4 | `diff` failed |
| 130 | interrupted |

Results go to standard output; errors, warnings and progress to standard error. Colours are for terminals only, and not
where `NO_COLOR` is set.
"""


def reference() -> str:
    """The whole page."""
    root = typer.main.get_command(app)
    return (
        "\n".join([HEAD, "## Options of every command", "", *_options(_common(root)), "", *_commands(root, "atoll")])
        + "\n"
    )


def _commands(group: Any, path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        full = f"{path} {name}"
        if hasattr(command, "commands"):
            yield from (f"## {full}", "", _help(command), "")
            yield from _commands(command, full)
        else:
            yield from _command(command, full)


def _command(command: Any, path: str) -> Iterator[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join([path, "[OPTIONS]", *(p.metavar or p.name.upper() for p in arguments)])
    yield from (f"{'###' if path.count(' ') > 1 else '##'} {path}", "", "```text", usage, "```", "", _help(command), "")
    own = [p for p in command.params if p.param_type_name == "option" and not _is_common(p)]
    shown = [*(p for p in arguments if p.help), *own]
    if shown:
        yield from (*_options(shown), "")


def _help(command: Any) -> str:
    """Its text as Markdown: paragraphs in one line, examples as code."""
    parts = []
    for part in (command.help or "").split("\n\n"):
        text = part.removeprefix("\b\n")
        lines = text.splitlines()
        if text.startswith("    "):
            parts.append("\n".join(["```sh", *(line[4:] for line in lines), "```"]))
        else:
            parts.append(" ".join(line.strip() for line in lines))
    return "\n\n".join(parts)


def _options(params: list[Any]) -> Iterator[str]:
    yield "| option | meaning |"
    yield "|---|---|"
    for param in params:
        if param.param_type_name == "argument":
            names = f"`{param.metavar or param.name.upper()}`"
        else:
            value = f" {param.metavar}" if param.metavar and not param.is_flag else ""
            names = ", ".join(
                f"`{name}{value if name.startswith('--') else ''}`" for name in [*param.opts, *param.secondary_opts]
            )
        extra = " Required." if param.required and param.param_type_name == "option" else _default(param)
        yield f"| {names.replace('|', chr(92) + '|')} | {(param.help or '').replace('|', chr(92) + '|')}{extra} |"


def _default(param: Any) -> str:
    default = getattr(param.default, "value", param.default)
    plain = isinstance(default, (str, int, float)) and not isinstance(default, bool) and default not in {"", 0}
    return f" Default: `{default}`." if plain and param.param_type_name == "option" else ""


def _is_common(param: Any) -> bool:
    annotation, _ = COMMON.get(param.name, (None, None))
    return annotation is not None and param.help == annotation.__metadata__[0].help


def _common(root: Any) -> list[Any]:
    return [param for param in root.params if param.name in COMMON]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m atoll.cli.reference", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=Path("docs/reference/cli.md"), metavar="FILE")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is stale")
    options = parser.parse_args(arguments)
    text = reference()
    present = options.file.read_text() if options.file.exists() else ""
    if present == text:
        return 0
    if options.check:
        sys.stderr.write(f"{options.file} is stale: run `python -m atoll.cli.reference`\n")
        return 1
    options.file.parent.mkdir(parents=True, exist_ok=True)
    options.file.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
