"""What it takes to reach one API server and to convince it: the values that a kubeconfig comes down to."""

import base64
from typing import Any

import msgspec

from atoll.api.manifests import dump
from atoll.api.names import SYSTEM_NAMESPACE


class ExecPlugin(msgspec.Struct, frozen=True):
    """A program that prints credentials (client.authentication.k8s.io). `directory` is where a relative path starts."""

    command: str
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    api_version: str = "client.authentication.k8s.io/v1"
    install_hint: str = ""
    provide_cluster_info: bool = False
    cluster_config: Any = None
    directory: str = ""

    def __repr__(self) -> str:
        return f"ExecPlugin(command={self.command!r})"


class Impersonation(msgspec.Struct, frozen=True):
    """Act as somebody else (`as` in a kubeconfig)."""

    user: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


EXEC_EXTENSION = "client.authentication.k8s.io/exec"
EXTENSION = "atoll.dev/tls"
UNCHECKABLE = frozenset({"name", "dates"})


class Config(msgspec.Struct, frozen=True):
    """One way to one API server. Certificates and keys are PEM; `repr` shows no secrets.

    `source` and `context` say where it comes from, for messages. `proxy_url` "": what HTTPS_PROXY and NO_PROXY say.
    """

    server: str
    ca: bytes = b""
    insecure: bool = False
    unchecked: tuple[str, ...] = ()
    """What of the server's certificate isn't checked, of `UNCHECKABLE`. In a kubeconfig it is an extension of ours."""
    tls_server_name: str = ""
    proxy_url: str = ""
    compression: bool = True
    client_certificate: bytes = b""
    client_key: bytes = b""
    token: str = ""
    token_file: str = ""
    username: str = ""
    password: str = ""
    exec: ExecPlugin | None = None
    impersonate: Impersonation | None = None
    namespace: str = "default"
    home: str = SYSTEM_NAMESPACE
    """The namespace in which Atoll keeps its own record there; no kubeconfig tells it."""
    context: str = ""
    source: str = ""
    dial: Any = None
    """A `through.Dial`: who makes the connections, when not a socket does."""

    def __repr__(self) -> str:
        return f"Config(server={self.server!r}, context={self.context!r}, source={self.source!r}, auth={self.auth!r})"

    @property
    def auth(self) -> str:
        """How we say who we are: token, token file, exec, certificate, password or none."""
        ways = (
            (self.token_file, "token file"),
            (self.token, "token"),
            (self.exec, "exec"),
            (self.client_certificate, "certificate"),
            (self.username, "password"),
        )
        return next((name for given, name in ways if given), "none")

    def to_kubeconfig(self, name: str = "") -> bytes:
        """A kubeconfig (YAML) with this one context, named `name`; data inline, nothing refers to another file
        but `tokenFile` and exec.
        """
        name = name or self.context or "default"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": self._cluster()}],
            "users": [{"name": name, "user": self._user()}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": self.namespace}}],
            "current-context": name,
        }
        return dump([document]).encode()

    def _cluster(self) -> dict[str, Any]:
        extensions = {
            EXEC_EXTENSION: self.exec.cluster_config if self.exec else None,
            EXTENSION: {"unchecked": list(self.unchecked)} if self.unchecked else None,
        }
        return _given(
            {
                "extensions": [{"name": name, "extension": one} for name, one in extensions.items() if one],
                "server": self.server,
                "certificate-authority-data": _base64(self.ca),
                "insecure-skip-tls-verify": self.insecure,
                "tls-server-name": self.tls_server_name,
                "proxy-url": self.proxy_url,
                "disable-compression": not self.compression,
            }
        )

    def _user(self) -> dict[str, Any]:
        user = _given(
            {
                "client-certificate-data": _base64(self.client_certificate),
                "client-key-data": _base64(self.client_key),
                "token": self.token,
                "tokenFile": self.token_file,
                "username": self.username,
                "password": self.password,
            }
        )
        if self.impersonate:
            user |= _given(
                {
                    "as": self.impersonate.user,
                    "as-uid": self.impersonate.uid,
                    "as-groups": list(self.impersonate.groups),
                    "as-user-extra": {key: list(values) for key, values in self.impersonate.extra},
                }
            )
        if self.exec:
            user["exec"] = _given(
                {
                    "apiVersion": self.exec.api_version,
                    "command": self.exec.command,
                    "args": list(self.exec.args),
                    "env": [{"name": key, "value": value} for key, value in self.exec.env],
                    "installHint": self.exec.install_hint,
                    "provideClusterInfo": self.exec.provide_cluster_info,
                    "interactiveMode": "Never",
                }
            )
        return user


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
