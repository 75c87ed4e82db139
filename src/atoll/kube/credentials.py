"""How requests say who sends them: tokens, token files that rotate, exec plugins, passwords, impersonation."""

import asyncio
import base64
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Protocol

import msgspec

from atoll.kube.connection import Config, ExecPlugin
from atoll.kube.errors import CredentialError

_PLUGIN_TIMEOUT = 60.0


class Credential(msgspec.Struct, frozen=True):
    """What one request needs: the Authorization header's value, and a certificate where an exec plugin gives one."""

    authorization: str = ""
    certificate: bytes = b""
    key: bytes = b""

    def __repr__(self) -> str:
        return "Credential(…)"


class Credentials(Protocol):
    """Where a client's credential comes from."""

    async def current(self) -> Credential:
        """The credential to use now. Raises CredentialError."""

    def refused(self, credential: Credential) -> bool:
        """The server answered 401 to `credential`. True when another may be had: ask `current()` once more."""


def credentials_for(config: Config) -> Credentials:
    """In the order of client-go: token file, token, exec plugin, password."""
    if config.token_file:
        return _TokenFile(Path(config.token_file))
    if config.token:
        return _Fixed(f"Bearer {config.token}")
    if config.exec:
        return _Exec(config, config.exec)
    if config.username:
        pair = f"{config.username}:{config.password}".encode()
        return _Fixed(f"Basic {base64.b64encode(pair).decode()}")
    return _Fixed("")


def impersonation_headers(config: Config) -> list[tuple[str, str]]:
    """The Impersonate-* headers; a list, since groups repeat the header."""
    who = config.impersonate
    if who is None:
        return []
    headers = [("Impersonate-User", who.user), *(("Impersonate-Group", group) for group in who.groups)]
    if who.uid:
        headers.append(("Impersonate-Uid", who.uid))
    return headers + [(f"Impersonate-Extra-{key}", value) for key, values in who.extra for value in values]


class _Fixed:
    def __init__(self, authorization: str) -> None:
        self._credential = Credential(authorization)

    async def current(self) -> Credential:
        return self._credential

    def refused(self, credential: Credential) -> bool:
        del credential
        return False


class _TokenFile:
    """A token that somebody else (the kubelet) rotates: read again whenever the file is another one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._credential = Credential()

    async def current(self) -> Credential:
        try:
            stat = os.stat(self._path)  # noqa: PTH116  a microsecond less, on every request
            seen = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if seen != self._seen:
                token = self._path.read_text().strip()
                if not token or not (token.isascii() and token.isprintable()):
                    raise CredentialError(f"the token file {self._path} is empty, or holds no token")
                self._credential, self._seen = Credential(f"Bearer {token}"), seen
        except UnicodeDecodeError as error:
            raise CredentialError(f"the token file {self._path} holds no token") from error
        except OSError as error:
            if self._seen is None:
                raise CredentialError(f"the token file {self._path} cannot be read: {error.strerror}") from error
        return self._credential

    def refused(self, credential: Credential) -> bool:
        self._seen = None
        del credential
        return True


class _ExecStatus(msgspec.Struct, rename="camel"):
    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class _ExecCredential(msgspec.Struct, rename="camel"):
    kind: str = ""
    api_version: str = ""
    status: _ExecStatus | None = None


class _Exec:
    """Runs the plugin when nothing is cached, its answer has expired, or the server refused it."""

    def __init__(self, config: Config, plugin: ExecPlugin) -> None:
        self._config = config
        self._plugin = plugin
        self._lock = asyncio.Lock()
        self._credential: Credential | None = None
        self._expires: datetime | None = None

    async def current(self) -> Credential:
        if (credential := self._valid()) is not None:
            return credential
        async with self._lock:  # many requests, one run
            if (credential := self._valid()) is not None:
                return credential
            answer = self._parse(await self._run())
            self._expires = answer.expiration_timestamp
            self._credential = Credential(
                f"Bearer {answer.token}" if answer.token else "",
                answer.client_certificate_data.encode(),
                answer.client_key_data.encode(),
            )
            return self._credential

    def refused(self, credential: Credential) -> bool:
        if self._credential is credential:
            self._credential = None
        return True

    def _valid(self) -> Credential | None:
        if self._credential is None or (self._expires and datetime.now(UTC) >= self._expires):
            return None
        return self._credential

    async def _run(self) -> bytes:
        plugin = self._plugin
        command = plugin.command
        if os.sep in command:  # a bare name is looked for on PATH
            command = str(Path(plugin.directory) / command)
        environment = {**os.environ, **dict(plugin.env), "KUBERNETES_EXEC_INFO": self._info()}
        try:
            process = await asyncio.create_subprocess_exec(
                command,
                *plugin.args,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            hint = f"; {plugin.install_hint}" if plugin.install_hint else ""
            raise CredentialError(f"the exec plugin {command!r} cannot be started: {error.strerror}{hint}") from error
        try:
            async with asyncio.timeout(_PLUGIN_TIMEOUT):
                output, complaint = await process.communicate()
        except TimeoutError as error:
            raise CredentialError(
                f"the exec plugin {command!r} gave no credential in {_PLUGIN_TIMEOUT:.0f} s; does it wait for input?"
            ) from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            words = complaint.decode(errors="replace").strip()[-500:]
            raise CredentialError(f"the exec plugin {command!r} failed with exit code {process.returncode}: {words}")
        return output

    def _parse(self, output: bytes) -> _ExecStatus:
        command = self._plugin.command
        try:
            answer = msgspec.json.decode(output, type=_ExecCredential)
        except msgspec.DecodeError as error:
            raise CredentialError(f"the exec plugin {command!r} printed no ExecCredential: {error}") from error
        if answer.kind != "ExecCredential" or answer.api_version != self._plugin.api_version:
            raise CredentialError(
                f"the exec plugin {command!r} printed {answer.kind!r} of {answer.api_version!r}; expected is"
                f" ExecCredential of {self._plugin.api_version!r}, as the kubeconfig says"
            )
        status = answer.status
        if status and not (status.token.isascii() and (status.token + ".").isprintable()):
            raise CredentialError(f"the exec plugin {command!r} printed a token with characters that no token has")
        if status is None or not (status.token or (status.client_certificate_data and status.client_key_data)):
            raise CredentialError(f"the exec plugin {command!r} printed neither a token nor a certificate with its key")
        return status

    def _info(self) -> str:
        spec: dict[str, Any] = {"interactive": False}
        if self._plugin.provide_cluster_info:
            config = self._config
            cluster = {
                "server": config.server,
                "tls-server-name": config.tls_server_name,
                "insecure-skip-tls-verify": config.insecure,
                "certificate-authority-data": base64.b64encode(config.ca).decode(),
                "proxy-url": config.proxy_url,
                "config": self._plugin.cluster_config,
            }
            spec["cluster"] = {key: value for key, value in cluster.items() if value}
        info = {"apiVersion": self._plugin.api_version, "kind": "ExecCredential", "spec": spec}
        return msgspec.json.encode(info).decode()
