"""Kubeconfig files: found, parsed and merged as kubectl does it. What their fields mean is `config`'s matter."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from atoll.api.yamltext import read
from atoll.kube.errors import ConfigError


class Document:
    """One file: where it is, for messages and relative paths, and what it says."""

    def __init__(self, name: str, directory: Path | None, body: dict[str, Any]) -> None:
        self.name = name
        self.directory = directory
        self.body = body


class Entry:
    """A named cluster, user or context, and the file that it stands in."""

    def __init__(self, document: Document, field: str, body: dict[str, Any]) -> None:
        self.document = document
        self.field = field
        self.body = body


class Merged:
    """The entries of all files by name; `names` are the files, for messages."""

    def __init__(self, names: str) -> None:
        self.names = names
        self.current = ""
        self.clusters: dict[str, Entry] = {}
        self.users: dict[str, Entry] = {}
        self.contexts: dict[str, Entry] = {}


def documents(source: str | Path | bytes | None) -> list[Document]:
    """The files to merge: one by its path or content, or those of $KUBECONFIG that exist, or ~/.kube/config."""
    if isinstance(source, bytes):
        return [Document("kubeconfig", None, _parse("kubeconfig", source))]
    if source is not None:
        return [_read(Path(source).expanduser())]
    listed = [Path(part).expanduser() for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    paths = [path for path in listed or [Path.home() / ".kube" / "config"] if path.exists()]
    if not paths:
        looked = ", ".join(map(str, listed)) if listed else "~/.kube/config"
        raise ConfigError(f"no kubeconfig found (looked at {looked}); give a path, or set KUBECONFIG")
    return [_read(path) for path in paths]


def _read(path: Path) -> Document:
    try:
        return Document(str(path), path.absolute().parent, _parse(str(path), path.read_bytes()))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _parse(name: str, data: bytes) -> dict[str, Any]:
    try:
        documents = read(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: not text: byte {error.start} is not UTF-8") from error
    except ValueError as error:
        raise ConfigError(f"{name}: not YAML: {error}") from error
    if not documents:
        raise ConfigError(f"{name}: empty")
    body = documents[0]
    if not isinstance(body, dict):
        raise ConfigError(f"{name}: not a kubeconfig: a mapping is expected, this is a {type_name(body)}")
    if body.get("kind", "Config") != "Config":
        raise ConfigError(f"{name}: not a kubeconfig: kind is {body['kind']!r}, expected Config")
    return body


def merge(documents: Sequence[Document]) -> Merged:
    """As kubectl: of each name the first file's entry holds, and the first current-context that is set."""
    merged = Merged(", ".join(document.name for document in documents))
    for document in documents:
        current = document.body.get("current-context") or ""
        if not isinstance(current, str):
            raise ConfigError(f"{document.name}: current-context: a string is expected, this is a {type_name(current)}")
        merged.current = merged.current or current
        for plural, singular, into in (
            ("clusters", "cluster", merged.clusters),
            ("users", "user", merged.users),
            ("contexts", "context", merged.contexts),
        ):
            for name, entry in _entries(document, plural, singular).items():
                into.setdefault(name, entry)
    return merged


def _entries(document: Document, plural: str, singular: str) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    items = document.body.get(plural)
    if items is None:
        return found
    if not isinstance(items, list):
        raise ConfigError(f"{document.name}: {plural}: a list is expected, this is a {type_name(items)}")
    for index, item in enumerate(items):
        where = f"{document.name}: {plural}[{index}]"
        if not isinstance(item, dict):
            raise ConfigError(f"{where}: a mapping with name and {singular} is expected, this is a {type_name(item)}")
        name, body = item.get("name"), item.get(singular)
        if not isinstance(name, str) or not name:
            raise ConfigError(f"{where}.name: missing; give the {singular} a name")
        if body is not None and not isinstance(body, dict):
            raise ConfigError(f"{where}.{singular}: a mapping is expected, this is a {type_name(body)}")
        found.setdefault(name, Entry(document, f"{plural}[{name}].{singular}", body or {}))
    return found


def type_name(value: Any) -> str:
    names = {dict: "mapping", list: "list", str: "string", bool: "Boolean", int: "number", float: "number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)
