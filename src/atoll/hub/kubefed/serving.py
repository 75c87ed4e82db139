"""KubeFed's admission webhook as a process of its own, started as KubeFed's is."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import structlog
from aiohttp import web

from atoll.api.kubefed.config import KubeFedConfig
from atoll.api.kubefed.names import CONFIG, NAMESPACE, Scope
from atoll.api.objects import Key
from atoll.hub.hooks import Hook
from atoll.hub.kubefed.admission import kubefed_hook
from atoll.hub.shared_webhook import serve_shared_webhook
from atoll.hub.webhook import answering
from atoll.kube.client import Client
from atoll.kube.config import Config
from atoll.kube.errors import ConfigError, NotFound
from atoll.kube.kubefed_resources import KUBEFEDCONFIGS
from atoll.runtime.supervise import cancel_and_wait, keep, until_signalled
from atoll.telemetry.serving import running

log = structlog.get_logger(__name__)

SERVICE = "kubefed-admission-webhook"
SECRET = "kubefed-admission-webhook-serving-cert"  # noqa: S105  # a Secret's name
CERTIFICATE, KEY = "tls.crt", "tls.key"
LOOK_EVERY = 10.0
"""Seconds after which a folder's certificate is read again."""


class Webhook(msgspec.Struct, frozen=True):
    """How it is started. With `certificates`, a folder, whoever put them there has told the API server of it.

    Without, the certificate is made, renewed and told to the API server here, for the Service
    `kubefed-admission-webhook` in `namespace`.
    """

    config: Config
    address: str = ":8443"
    certificates: Path | None = None
    namespace: str = NAMESPACE


async def run(options: Webhook) -> None:
    """Until SIGTERM or SIGINT. Raises ConfigError when there is no certificate in the folder that was given."""
    await until_signalled(_serve(options))


async def _serve(options: Webhook) -> None:
    async with serving(options) as address:
        log.info("serving", webhook=address)
        await asyncio.Event().wait()


@asynccontextmanager
async def serving(options: Webhook) -> AsyncIterator[str]:
    """Answer while the context lasts; yields the address."""
    if options.certificates is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        folder = Folder(options.certificates, context)
        folder.load()
        following = asyncio.create_task(keep("webhook certificate", folder.follow))
        try:
            async with running(answering((kubefed_hook(), _ready())), options.address, context) as address:
                yield address
        finally:
            await cancel_and_wait(following)
        return
    async with Client(options.config) as client:
        hooks = (kubefed_hook(await _scope(client, options.namespace), options.namespace), _ready())
        service, secret = Key(options.namespace, SERVICE), Key(options.namespace, SECRET)
        async with serve_shared_webhook(client, options.address, service, hooks, secret) as address:
            yield address


class Folder:
    """A certificate in two files, as a mounted Secret has them: read again when they change."""

    def __init__(self, path: Path, context: ssl.SSLContext) -> None:
        self._files = (path / CERTIFICATE, path / KEY)
        self._context = context
        self._loaded: tuple[bytes, ...] = ()

    def load(self) -> None:
        """Serve what the files hold now. Raises ConfigError."""
        try:
            found = tuple(file.read_bytes() for file in self._files)
            if found != self._loaded:
                self._context.load_cert_chain(*self._files)
                self._loaded = found
        except OSError as error:  # ssl's errors are such, too
            raise ConfigError(f"{self._files[0].parent}: {error.strerror or error}: no certificate to serve") from error

    async def follow(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.load()


def _ready() -> Hook:
    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    return Hook((web.get("/readyz", readyz), web.get("/readyz/", readyz)), lambda _: ())


async def _scope(client: Client, namespace: str) -> str:
    try:
        return (await client.get(KUBEFEDCONFIGS, CONFIG, namespace)).read(KubeFedConfig).spec.scope
    except NotFound:
        return Scope.CLUSTER.value
