"""KubeFed's controller manager, run by Atoll: a hub in place of a control plane, started as KubeFed's is."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from aiohttp import web

from atoll.api.kubefed.config import KubeFedConfig
from atoll.api.kubefed.names import CONFIG
from atoll.api.manifests import load
from atoll.api.objects import Json
from atoll.api.yamltext import YamlError
from atoll.hub import main as hub
from atoll.hub.kubefed.ensuring import config_body
from atoll.kube.client import Client
from atoll.kube.config import Config
from atoll.kube.errors import ConfigError, NotFound
from atoll.kube.kubefed_resources import KUBEFEDCONFIGS
from atoll.telemetry.serving import running


class ControllerManager(msgspec.Struct, frozen=True):
    """How it is started. `tell` is given each line of its log that KubeFed's has, too.

    `config_file`: a KubeFedConfig that is put in place of the one on the host. `scope`: of one that has to be made.
    """

    config: Config
    identity: str
    namespace: str
    tell: Callable[[str], None]
    healthz_address: str = ":8080"
    metrics_address: str = ":9090"
    config_file: Path | None = None
    scope: str = ""
    throttle: tuple[float, int] | None = None


async def run(options: ControllerManager) -> None:
    """Until SIGTERM or SIGINT. Raises ConfigError, and KubeError when the host can't be reached at the start.

    The webhook is a process of its own, as with KubeFed: see `serving`.
    """
    async with _healthz(options.healthz_address):
        if options.config_file is not None or options.scope:
            async with Client(options.config) as client:
                await _configure(client, options)
        await hub.run(
            hub.Options(
                config=options.config,
                identity=options.identity,
                metrics_address=options.metrics_address,
                webhook_address="",
                kubefed=options.namespace,
                told=options.tell,
                throttle=options.throttle,
            )
        )


@asynccontextmanager
async def _healthz(address: str) -> AsyncIterator[str]:
    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="OK")

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz)])
    async with running(app, address) as bound:
        yield bound


async def _configure(client: Client, options: ControllerManager) -> None:
    body = _read(options.config_file) if options.config_file is not None else None
    try:
        live = await client.get(KUBEFEDCONFIGS, CONFIG, options.namespace)
    except NotFound as error:
        if error.unknown_path:
            return  # the kinds are missing, which is said later
        made = config_body(options.namespace, options.scope or "Cluster")
        await client.create(KUBEFEDCONFIGS, {**made, "spec": body["spec"]} if body is not None else made)
        return
    if body is not None and live.body().get("spec") != body["spec"]:
        options.tell(f'Setting Options with KubeFedConfig from file "{options.config_file}"')
        await client.replace(KUBEFEDCONFIGS, {**live.body(), "spec": body["spec"]})


def _read(file: Path) -> Json:
    try:
        (body,) = load(file.read_text())
        msgspec.convert({"metadata": {"name": CONFIG}, **body}, KubeFedConfig)
    except OSError as error:
        raise ConfigError(f'Cannot open KubeFedConfig from file "{file}": {error.strerror}') from error
    except (YamlError, ValueError) as error:
        raise ConfigError(f'Cannot decode KubeFedConfig from file "{file}": {error}') from error
    return body
