"""YAML in and out, as KubeFed's commands have it: every document begins with `---`, keys are in order."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from atoll.api.objects import Json
from atoll.cli.application.files import identifiable, standard_input
from atoll.cli.exits import CommandError


def print_documents(bodies: Iterable[Json]) -> None:
    from atoll.api.manifests import dump

    for body in bodies:
        print(f"---\n{dump([_sorted(body)])}", end="")


def _sorted(value: Any) -> Any:
    match value:
        case dict():
            return {key: _sorted(value[key]) for key in sorted(value)}
        case list():
            return [_sorted(item) for item in value]
        case _:
            return value


def read_documents(file: str) -> list[Json]:
    """The objects of a file; `-` is standard input. Raises CommandError."""
    from atoll.api.manifests import load
    from atoll.api.yamltext import YamlError

    try:
        text = standard_input() if file == "-" else Path(file).read_text()
        return [identifiable(body, file) for body in load(text)]
    except OSError as error:
        raise CommandError(f'Failed to load yaml from file "{file}": {error.strerror}') from error
    except (YamlError, UnicodeDecodeError) as error:
        raise CommandError(f'Failed to load yaml from file "{file}": {error}') from error
