"""A container's command and arguments: replaced as a whole; an empty list gives way to the image's own."""

from collections.abc import Sequence

from atoll.api.objects import Json


def with_command(container: Json, command: Sequence[str]) -> Json:
    return _with_list(container, "command", command)


def with_args(container: Json, args: Sequence[str]) -> Json:
    return _with_list(container, "args", args)


def _with_list(container: Json, field: str, words: Sequence[str]) -> Json:
    if list(words) == (container.get(field) or []):
        return container
    if not words:
        return {key: value for key, value in container.items() if key != field}
    return {**container, field: list(words)}
