"""Kubeconfig files to `Config`: merged as kubectl merges them, checked, with errors that say what to do."""

import base64
import binascii
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ryaml

from atoll.kube.connection import Config, ExecPlugin, Impersonation
from atoll.kube.errors import ConfigError

__all__ = ["Config", "ExecPlugin", "Impersonation", "in_cluster", "load_kubeconfig"]

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_BYTES = "kubeconfig"


def load_kubeconfig(
    source: str | Path | bytes | None = None,
    context: str | None = None,
    *,
    allow_exec: bool = True,
    allow_files: bool = True,
) -> Config:
    """The `Config` of a context (the current one when None).

    `source` is a path, the file's content, or None: then $KUBECONFIG's list is merged, or ~/.kube/config read.
    A kubeconfig that strangers wrote must not run programs nor read files here: `allow_exec=False, allow_files=False`.
    Raises ConfigError, which names file, context, field, and what to do.
    """
    return _Reader(_merge(_documents(source)), allow_exec=allow_exec, allow_files=allow_files).config(context)


def in_cluster(directory: Path = _SERVICE_ACCOUNT, environment: Mapping[str, str] = os.environ) -> Config:
    """The `Config` of a Pod's own service account. The token is read again when it is rotated."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise ConfigError("not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
    try:
        ca = (directory / "ca.crt").read_bytes()
        (directory / "token").read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{error.filename}: {error.strerror}: this Pod has no service account token (automountServiceAccountToken)"
        ) from error
    namespace = directory / "namespace"
    return Config(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca=ca,
        token_file=str(directory / "token"),
        namespace=namespace.read_text().strip() if namespace.exists() else "default",
        context="in-cluster",
        source=str(directory),
    )


class _Document:
    """One file: where it is, for messages and relative paths, and what it says."""

    def __init__(self, name: str, directory: Path | None, body: dict[str, Any]) -> None:
        self.name = name
        self.directory = directory
        self.body = body


class _Entry:
    """A named cluster, user or context, and the file that it stands in."""

    def __init__(self, document: _Document, field: str, body: dict[str, Any]) -> None:
        self.document = document
        self.field = field
        self.body = body


class _Merged:
    def __init__(self, names: str) -> None:
        self.names = names
        self.current = ""
        self.clusters: dict[str, _Entry] = {}
        self.users: dict[str, _Entry] = {}
        self.contexts: dict[str, _Entry] = {}


def _documents(source: str | Path | bytes | None) -> list[_Document]:
    if isinstance(source, bytes):
        return [_Document(_BYTES, None, _parse(_BYTES, source))]
    if source is not None:
        return [_read(Path(source).expanduser())]
    listed = [Path(part).expanduser() for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    paths = [path for path in listed or [Path.home() / ".kube" / "config"] if path.exists()]
    if not paths:
        looked = ", ".join(map(str, listed)) if listed else "~/.kube/config"
        raise ConfigError(f"no kubeconfig found (looked at {looked}); give a path, or set KUBECONFIG")
    return [_read(path) for path in paths]


def _read(path: Path) -> _Document:
    try:
        return _Document(str(path), path.resolve().parent, _parse(str(path), path.read_bytes()))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _parse(name: str, data: bytes) -> dict[str, Any]:
    try:
        body = ryaml.load(io.StringIO(data.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: not text: byte {error.start} is not UTF-8") from error
    except ValueError as error:
        raise ConfigError(f"{name}: not YAML: {error}") from error
    if body is None:
        raise ConfigError(f"{name}: empty")
    if not isinstance(body, dict):
        raise ConfigError(f"{name}: not a kubeconfig: a mapping is expected, this is a {_type(body)}")
    if body.get("kind", "Config") != "Config":
        raise ConfigError(f"{name}: not a kubeconfig: kind is {body['kind']!r}, expected Config")
    return body


def _merge(documents: Sequence[_Document]) -> _Merged:
    """As kubectl: of each name the first file's entry holds, and the first current-context that is set."""
    merged = _Merged(", ".join(document.name for document in documents))
    for document in documents:
        current = document.body.get("current-context") or ""
        if not isinstance(current, str):
            raise ConfigError(f"{document.name}: current-context: a string is expected, this is a {_type(current)}")
        merged.current = merged.current or current
        for plural, singular, into in (
            ("clusters", "cluster", merged.clusters),
            ("users", "user", merged.users),
            ("contexts", "context", merged.contexts),
        ):
            for name, entry in _entries(document, plural, singular).items():
                into.setdefault(name, entry)
    return merged


def _entries(document: _Document, plural: str, singular: str) -> dict[str, _Entry]:
    found: dict[str, _Entry] = {}
    items = document.body.get(plural)
    if items is None:
        return found
    if not isinstance(items, list):
        raise ConfigError(f"{document.name}: {plural}: a list is expected, this is a {_type(items)}")
    for index, item in enumerate(items):
        where = f"{document.name}: {plural}[{index}]"
        if not isinstance(item, dict):
            raise ConfigError(f"{where}: a mapping with name and {singular} is expected, this is a {_type(item)}")
        name, body = item.get("name"), item.get(singular)
        if not isinstance(name, str) or not name:
            raise ConfigError(f"{where}.name: missing; give the {singular} a name")
        if body is not None and not isinstance(body, dict):
            raise ConfigError(f"{where}.{singular}: a mapping is expected, this is a {_type(body)}")
        found.setdefault(name, _Entry(document, f"{plural}[{name}].{singular}", body or {}))
    return found


def _type(value: Any) -> str:
    names = {dict: "mapping", list: "list", str: "string", bool: "Boolean", int: "number", float: "number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


class _Reader:
    """Reads one context out of merged files."""

    def __init__(self, merged: _Merged, *, allow_exec: bool, allow_files: bool) -> None:
        self.merged = merged
        self.allow_exec = allow_exec
        self.allow_files = allow_files
        self.context = ""

    def config(self, context: str | None) -> Config:
        self.context = self._choose(context)
        chosen = self.merged.contexts[self.context]
        cluster = self._named(chosen, "cluster", self.merged.clusters)
        user = self._named(chosen, "user", self.merged.users) if chosen.body.get("user") else None
        fields = self._cluster(cluster) | (self._user(user, cluster) if user else {})
        return Config(
            namespace=self._text(chosen, "namespace") or "default",
            context=self.context,
            source=chosen.document.name,
            **fields,
        )

    def _choose(self, context: str | None) -> str:
        names = self.merged.names
        known = ", ".join(sorted(self.merged.contexts)) or "none"
        name = context or self.merged.current
        if not name and len(self.merged.contexts) == 1:
            return next(iter(self.merged.contexts))
        if not name:
            raise ConfigError(f"{names}: current-context is not set; name one of the contexts: {known}")
        if name not in self.merged.contexts:
            field = "context" if context else "current-context"
            raise ConfigError(f"{names}: {field} {name!r} does not exist; the contexts are: {known}")
        return name

    def _named(self, chosen: _Entry, field: str, among: Mapping[str, _Entry]) -> _Entry:
        name = self._text(chosen, field)
        if not name:
            raise self._wrong(chosen, field, f"missing; name one of the {field}s: {', '.join(sorted(among)) or 'none'}")
        if name not in among:
            known = ", ".join(sorted(among)) or "none"
            raise self._wrong(chosen, field, f"there is no {field} {name!r}; the {field}s are: {known}")
        return among[name]

    def _cluster(self, entry: _Entry) -> dict[str, Any]:
        server = self._text(entry, "server")
        if not server:
            raise self._wrong(entry, "server", "missing; give the API server's URL, such as https://10.0.0.1:6443")
        if not server.startswith(("https://", "http://")):
            raise self._wrong(entry, "server", f"{server!r} is no URL; it starts with https:// (or http://)")
        insecure = self._flag(entry, "insecure-skip-tls-verify")
        ca = self._pem(entry, "certificate-authority")
        if insecure and ca:
            raise self._wrong(
                entry, "insecure-skip-tls-verify", "stands beside a certificate authority; remove one of both"
            )
        proxy = self._text(entry, "proxy-url")
        if proxy and not proxy.startswith(("http://", "https://")):
            raise self._wrong(entry, "proxy-url", f"{proxy!r} is not supported; use an http:// or https:// proxy")
        return {
            "server": server.rstrip("/"),
            "ca": ca,
            "insecure": insecure,
            "tls_server_name": self._text(entry, "tls-server-name"),
            "proxy_url": proxy,
            "compression": not self._flag(entry, "disable-compression"),
        }

    def _user(self, entry: _Entry, cluster: _Entry) -> dict[str, Any]:
        if entry.body.get("auth-provider"):
            raise self._wrong(
                entry,
                "auth-provider",
                "is not supported, Kubernetes removed it in 1.26; use exec, a token or a certificate",
            )
        certificate, key = self._pem(entry, "client-certificate"), self._pem(entry, "client-key")
        if bool(certificate) != bool(key):
            missing = "client-key" if certificate else "client-certificate"
            raise self._wrong(entry, missing, "missing; a client certificate and its key belong together")
        return {
            "client_certificate": certificate,
            "client_key": key,
            "token": self._text(entry, "token"),
            "token_file": self._file(entry, "tokenFile"),
            "username": self._text(entry, "username"),
            "password": self._text(entry, "password"),
            "impersonate": self._impersonation(entry),
            "exec": self._exec(entry, cluster),
        }

    def _impersonation(self, entry: _Entry) -> Impersonation | None:
        user = self._text(entry, "as")
        if not user:
            return None
        extra = entry.body.get("as-user-extra") or {}
        return Impersonation(
            user=user,
            uid=self._text(entry, "as-uid"),
            groups=tuple(entry.body.get("as-groups") or ()),
            extra=tuple((key, tuple(values)) for key, values in extra.items()),
        )

    def _exec(self, entry: _Entry, cluster: _Entry) -> ExecPlugin | None:
        spec = entry.body.get("exec")
        if not spec:
            return None
        if not self.allow_exec:
            raise self._wrong(
                entry, "exec", "would run a program on this machine, which is not allowed here; use a token"
            )
        if not isinstance(spec, dict):
            raise self._wrong(entry, "exec", f"a mapping is expected, this is a {_type(spec)}")
        inner = _Entry(entry.document, f"{entry.field}.exec", spec)
        command = self._text(inner, "command")
        if not command:
            raise self._wrong(inner, "command", "missing; name the program that prints the credential")
        version = self._text(inner, "apiVersion")
        if version not in {"client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"}:
            raise self._wrong(
                inner, "apiVersion", f"{version!r} is not supported; use client.authentication.k8s.io/v1 or v1beta1"
            )
        if spec.get("interactiveMode") == "Always":
            raise self._wrong(
                inner, "interactiveMode", "is Always, but nobody is there to answer; use Never or IfAvailable"
            )
        directory = entry.document.directory
        return ExecPlugin(
            command=command,
            args=tuple(map(str, spec.get("args") or ())),
            env=tuple((str(item["name"]), str(item["value"])) for item in spec.get("env") or ()),
            api_version=version,
            install_hint=self._text(inner, "installHint"),
            provide_cluster_info=self._flag(inner, "provideClusterInfo"),
            cluster_config=_exec_extension(cluster),
            directory=str(directory) if directory else "",
        )

    def _pem(self, entry: _Entry, field: str) -> bytes:
        """Inline data first, as kubectl does."""
        data = self._text(entry, f"{field}-data")
        if data:
            try:
                pem = base64.b64decode("".join(data.split()), validate=True)
            except (binascii.Error, ValueError) as error:
                raise self._wrong(entry, f"{field}-data", f"is not base64 ({error}); copy it again") from error
            if b"-----BEGIN " not in pem:
                raise self._wrong(entry, f"{field}-data", "does not hold PEM (-----BEGIN …); copy it again")
            return pem
        path = self._file(entry, field)
        if not path:
            return b""
        try:
            return Path(path).read_bytes()
        except OSError as error:
            raise self._wrong(entry, field, f"{path} cannot be read: {error.strerror}") from error

    def _file(self, entry: _Entry, field: str) -> str:
        path = self._text(entry, field)
        if not path:
            return ""
        if not self.allow_files:
            inline = {"tokenFile": "token"}.get(field, f"{field}-data")
            raise self._wrong(
                entry, field, f"refers to a file on this machine, which is not allowed here; use {inline}"
            )
        directory = entry.document.directory
        return str(directory / path) if directory else path

    def _text(self, entry: _Entry, field: str) -> str:
        value = entry.body.get(field)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._wrong(entry, field, f"a string is expected, this is a {_type(value)}")
        return value

    def _flag(self, entry: _Entry, field: str) -> bool:
        value = entry.body.get(field)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self._wrong(entry, field, f"true or false is expected, this is a {_type(value)}")
        return value

    def _wrong(self, entry: _Entry, field: str, what: str) -> ConfigError:
        return ConfigError(f"{entry.document.name}: context {self.context!r}: {entry.field}.{field}: {what}")


def _exec_extension(cluster: _Entry) -> Any:
    """What KUBERNETES_EXEC_INFO hands on: the cluster's extension of this reserved name."""
    for item in cluster.body.get("extensions") or ():
        if isinstance(item, dict) and item.get("name") == "client.authentication.k8s.io/exec":
            return item.get("extension")
    return None
