"""Kubeconfigs to `Config`: every field checked, with errors that say where it is wrong and what to do."""

import base64
import binascii
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from atoll.kube.connection import (
    EXEC_EXTENSION,
    EXTENSION,
    UNCHECKABLE,
    Config,
    ExecPlugin,
    Impersonation,
)
from atoll.kube.errors import ConfigError
from atoll.kube.kubeconfig import Entry, Merged, documents, merge, type_name
from atoll.kube.socks import SCHEMES

__all__ = ["Config", "ExecPlugin", "Impersonation", "in_cluster", "load_kubeconfig"]

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SPACE = re.compile(r"[\s\x00-\x1f]")


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
    return _Reader(merge(documents(source)), allow_exec=allow_exec, allow_files=allow_files).config(context)


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


class _Reader:
    """Reads one context out of merged files."""

    def __init__(self, merged: Merged, *, allow_exec: bool, allow_files: bool) -> None:
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

    def _named(self, chosen: Entry, field: str, among: Mapping[str, Entry]) -> Entry:
        name = self._text(chosen, field)
        if not name:
            raise self._wrong(chosen, field, f"missing; name one of the {field}s: {', '.join(sorted(among)) or 'none'}")
        if name not in among:
            known = ", ".join(sorted(among)) or "none"
            raise self._wrong(chosen, field, f"there is no {field} {name!r}; the {field}s are: {known}")
        return among[name]

    def _cluster(self, entry: Entry) -> dict[str, Any]:
        server = self._text(entry, "server")
        if not server:
            raise self._wrong(entry, "server", "missing; give the API server's URL, such as https://10.0.0.1:6443")
        self._check_url(entry, "server", server)
        if "@" in urlsplit(server).netloc:
            raise self._wrong(entry, "server", "holds a name or a password; give them to the user")
        insecure = self._flag(entry, "insecure-skip-tls-verify")
        ca = self._pem(entry, "certificate-authority")
        if insecure and ca:
            raise self._wrong(
                entry, "insecure-skip-tls-verify", "stands beside a certificate authority; remove one of both"
            )
        proxy = self._text(entry, "proxy-url")
        if proxy:
            self._check_url(entry, "proxy-url", proxy, schemes=("http", "https", *SCHEMES))
        return {
            "server": server.rstrip("/"),
            "ca": ca,
            "insecure": insecure,
            "unchecked": self._unchecked(entry),
            "tls_server_name": self._text(entry, "tls-server-name"),
            "proxy_url": proxy,
            "compression": not self._flag(entry, "disable-compression"),
        }

    def _unchecked(self, entry: Entry) -> tuple[str, ...]:
        """What Atoll's own extension says isn't to be checked of the server's certificate."""
        said = _extension(entry, EXTENSION)
        found = said.get("unchecked") if isinstance(said, dict) else None
        if found is None:
            return ()
        if not isinstance(found, list) or any(word not in UNCHECKABLE for word in map(str, found)):
            raise self._wrong(entry, "extensions", f"{EXTENSION}: unchecked may hold {', '.join(sorted(UNCHECKABLE))}")
        return tuple(sorted(found))

    def _user(self, entry: Entry, cluster: Entry) -> dict[str, Any]:
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
            "token": self._token(entry),
            "token_file": self._file(entry, "tokenFile"),
            "username": self._text(entry, "username"),
            "password": self._text(entry, "password"),
            "impersonate": self._impersonation(entry),
            "exec": self._exec(entry, cluster),
        }

    def _token(self, entry: Entry) -> str:
        token = self._text(entry, "token").strip()
        if not (token.isascii() and token.isprintable()):
            raise self._wrong(entry, "token", "holds characters that no token has; copy it again")
        return token

    def _impersonation(self, entry: Entry) -> Impersonation | None:
        user = self._text(entry, "as")
        if not user:
            return None
        extra = Entry(entry.document, f"{entry.field}.as-user-extra", self._mapping(entry, "as-user-extra"))
        return Impersonation(
            user=user,
            uid=self._text(entry, "as-uid"),
            groups=self._texts(entry, "as-groups"),
            extra=tuple((key, self._texts(extra, key)) for key in extra.body),
        )

    def _exec(self, entry: Entry, cluster: Entry) -> ExecPlugin | None:
        spec = self._mapping(entry, "exec")
        if not spec:
            return None
        if not self.allow_exec:
            raise self._wrong(
                entry, "exec", "would run a program on this machine, which is not allowed here; use a token"
            )
        inner = Entry(entry.document, f"{entry.field}.exec", spec)
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
            args=self._texts(inner, "args"),
            env=self._environment(inner),
            api_version=version,
            install_hint=self._text(inner, "installHint"),
            provide_cluster_info=self._flag(inner, "provideClusterInfo"),
            cluster_config=_extension(cluster, EXEC_EXTENSION),
            directory=str(directory) if directory else "",
        )

    def _environment(self, entry: Entry) -> tuple[tuple[str, str], ...]:
        items = entry.body.get("env") or []
        well_formed = isinstance(items, list) and all(
            isinstance(item, dict) and isinstance(item.get("name"), str) and isinstance(item.get("value"), str)
            for item in items
        )
        if not well_formed:
            raise self._wrong(entry, "env", "a list of mappings with name and value, both strings, is expected")
        return tuple((item["name"], item["value"]) for item in items)

    def _pem(self, entry: Entry, field: str) -> bytes:
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

    def _file(self, entry: Entry, field: str) -> str:
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

    def _check_url(self, entry: Entry, field: str, url: str, schemes: Collection[str] = ("http", "https")) -> None:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in schemes and parts.hostname and parts.port != 0 and not _SPACE.search(url)
        except ValueError:
            usable = False
        if not usable:
            shown = url.rpartition("@")[2]
            raise self._wrong(entry, field, f"{shown!r} cannot be used; give a URL such as https://10.0.0.1:6443")

    def _text(self, entry: Entry, field: str) -> str:
        value = entry.body.get(field)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._wrong(entry, field, f"a string is expected, this is a {type_name(value)}")
        return value

    def _texts(self, entry: Entry, field: str) -> tuple[str, ...]:
        values = entry.body.get(field) or []
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self._wrong(entry, field, "a list of strings is expected; put numbers and true or false in quotes")
        return tuple(values)

    def _mapping(self, entry: Entry, field: str) -> dict[str, Any]:
        value = entry.body.get(field) or {}
        if not isinstance(value, dict):
            raise self._wrong(entry, field, f"a mapping is expected, this is a {type_name(value)}")
        return value

    def _flag(self, entry: Entry, field: str) -> bool:
        value = entry.body.get(field)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self._wrong(entry, field, f"true or false is expected, this is a {type_name(value)}")
        return value

    def _wrong(self, entry: Entry, field: str, what: str) -> ConfigError:
        return ConfigError(f"{entry.document.name}: context {self.context!r}: {entry.field}.{field}: {what}")


def _extension(cluster: Entry, name: str) -> Any:
    """The cluster's extension of this name. KUBERNETES_EXEC_INFO hands on the one of client.authentication.k8s.io."""
    listed = cluster.body.get("extensions")
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, dict) and item.get("name") == name:
            return item.get("extension")
    return None
