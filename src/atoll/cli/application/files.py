"""Manifests from files, folders and standard input, with messages that name the file."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from atoll.cli.exits import CommandError

if TYPE_CHECKING:
    from atoll.api.objects import Json

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
STDIN = "-"
SERVER_FIELDS = frozenset({"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"})


def read_all(sources: list[str]) -> "list[Json]":
    """Every object in `sources`, in their order; of a folder every file, by name, without its sub-folders.

    Raises CommandError, also when there is no object at all.
    """
    found = [body for source in sources for name, text in _texts(source) for body in _objects(name, text)]
    if not found:
        raise CommandError(f"no object in {', '.join(sources)}")
    return found


def is_application(body: "Json") -> bool:
    return body.get("kind") == "Application" and str(body.get("apiVersion", "")).startswith("atoll.dev/")


def one_application(sources: list[str], namespace: str) -> "Json":
    """The one Application in `sources`; in `namespace` when it doesn't say where."""
    found = read_all(sources)
    if len(found) != 1 or not is_application(found[0]):
        raise CommandError(f"{', '.join(sources)}: one Application is expected, and nothing else")
    return in_namespace(found[0], namespace)


def in_namespace(body: "Json", namespace: str) -> "Json":
    """An Application as it may be applied: in `namespace` unless it names one, without what the server wrote. Raises
    CommandError for one without a name.
    """
    metadata = {k: v for k, v in (body.get("metadata") or {}).items() if k not in SERVER_FIELDS}
    if not metadata.get("name"):
        raise CommandError("an Application has no metadata.name")
    metadata["namespace"] = metadata.get("namespace") or namespace
    return {k: v for k, v in body.items() if k != "status"} | {"metadata": metadata}


def default_name(sources: list[str]) -> str:
    """A name for what comes from one file or folder; "" when none offers itself."""
    if len(sources) != 1 or sources[0] == STDIN:
        return ""
    stem = Path(sources[0]).resolve().stem.lower().replace("_", "-").replace(".", "-")
    return stem if stem.replace("-", "").isalnum() and stem.isascii() and stem.strip("-") == stem else ""


def standard_input() -> str:
    """All of it. Raises CommandError for what is not text, and KeyboardInterrupt at once, within an event loop, too."""
    try:
        with _interruptible():
            text = sys.stdin.read()
        text.encode()  # where the locale is C, what is no text is let through, in disguise
    except UnicodeError as error:
        raise CommandError(f"standard input: not text: it is not UTF-8 ({error.reason})") from error  # type: ignore[attr-defined]  # both kinds have it
    return text


@contextmanager
def _interruptible() -> Iterator[None]:
    """An event loop would wait for its turn, which comes when nobody types any more."""
    if threading.current_thread() is not threading.main_thread():  # where no handler may be set
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _texts(source: str) -> Iterator[tuple[str, str]]:
    if source == STDIN:
        yield "standard input", standard_input()
        return
    path = Path(source).expanduser()
    try:
        files = sorted(f for f in path.iterdir() if f.suffix in SUFFIXES) if path.is_dir() else [path]
        for file in files:
            yield str(file), file.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{error.filename or path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{source}: not text: byte {error.start} is not UTF-8") from error


def _objects(name: str, text: str) -> "list[Json]":
    from atoll.api.manifests import load
    from atoll.api.yamltext import YamlError

    try:
        return [identifiable(body, name) for body in load(text)]
    except YamlError as error:
        raise CommandError(f"{name}: {error}") from error


def identifiable(body: "Json", file: str) -> "Json":
    """`body`, whose metadata can be looked into. Raises CommandError."""
    metadata = body.get("metadata")
    if metadata is None:
        return body
    if not isinstance(metadata, dict):
        raise CommandError(
            f"{file}: {body.get('kind') or 'an object'}: metadata is no mapping of name, labels and so on"
        )
    for field in ("name", "namespace"):
        if not isinstance(metadata.get(field) or "", str):
            raise CommandError(f"{file}: metadata.{field} is no text: put {metadata[field]!r} in quotes")
    return body
