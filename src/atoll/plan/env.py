"""Environment variables: set, or removed by null."""

from collections.abc import Mapping

from atoll.api.objects import Json


def with_env(container: Json, wanted: Mapping[str, str | None]) -> Json:
    """The container with these variables.

    A variable keeps its place and loses a `valueFrom`; new ones follow in the order of their names, since a JSON map
    has none. The others, and so the meaning of `$(NAME)` in them, stay as they are. Variables of no form stay, too: the
    member's API server says what is wrong with them.
    """
    old = container.get("env") or []
    if not isinstance(old, list) or not all(isinstance(entry, dict) for entry in old):
        return container
    names = {str(entry.get("name")) for entry in old}
    new = [_entry(entry, wanted) for entry in old]
    kept = [entry for entry in new if entry is not None]
    added = sorted((name, value) for name, value in wanted.items() if value is not None and name not in names)
    env = kept + [{"name": name, "value": value} for name, value in added]
    if env == old:
        return container
    return {**container, "env": env} if env else {k: v for k, v in container.items() if k != "env"}


def _entry(entry: Json, wanted: Mapping[str, str | None]) -> Json | None:
    name = str(entry.get("name"))
    if name not in wanted:
        return entry
    value = wanted[name]
    return None if value is None else {"name": name, "value": value}
