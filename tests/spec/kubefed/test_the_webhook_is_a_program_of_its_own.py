"""`webhook`, as KubeFed's manifests start it: with a certificate in a folder, or one that it looks after itself."""

import base64
import ssl
from pathlib import Path

import aiohttp
import pytest

from atoll.api.kubefed.names import NAMESPACE
from atoll.api.objects import Json
from atoll.hub.kubefed import serving
from atoll.hub.kubefed.serving import SECRET, SERVICE, Folder, Webhook
from atoll.hub.webhook import self_signed
from atoll.kube.client import Client
from atoll.kube.config import Config
from atoll.kube.errors import ConfigError
from atoll.kube.kubefed_resources import KUBEFEDCONFIGS
from atoll.kube.resources import MUTATINGWEBHOOKS, NAMESPACES, SECRETS, VALIDATINGWEBHOOKS
from atoll.testing.fakeapi import FakeApi
from atoll.testing.fakeapi.kinds import Kind

REVIEW = {
    "request": {
        "uid": "7",
        "operation": "CREATE",
        "resource": {"group": "core.kubefed.io", "version": "v1beta1", "resource": "kubefedclusters"},
        "object": {"metadata": {"name": "c"}, "spec": {"apiEndpoint": "", "secretRef": {"name": "s"}}},
    }
}


def place(folder: Path, host: str) -> bytes:
    certificate, key = self_signed(host)
    (folder / "tls.crt").write_bytes(certificate)
    (folder / "tls.key").write_bytes(key)
    return certificate


async def asked(address: str, trusted: bytes, host: str = "127.0.0.1") -> tuple[str, Json]:
    """What /readyz and a review answer, over TLS that is checked."""
    context = ssl.create_default_context(cadata=trusted.decode())
    port = address.rpartition(":")[2]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        async with session.get(f"https://127.0.0.1:{port}/readyz", server_hostname=host) as ready:
            text = await ready.text()
        url = f"https://127.0.0.1:{port}/validate-kubefedcluster"
        async with session.post(url, json=REVIEW, server_hostname=host) as answer:
            review: Json = await answer.json()
    return text, review["response"]


async def test_a_folders_certificate_is_served(tmp_path: Path) -> None:
    certificate = place(tmp_path, "127.0.0.1")
    options = Webhook(Config(server="https://nowhere"), "127.0.0.1:0", tmp_path)
    async with serving.serving(options) as address:
        ready, response = await asked(address, certificate)
    assert ready == "ok"
    assert (response["uid"], response["allowed"]) == ("7", False)
    assert response["status"]["message"] == "spec.apiEndpoint: Required value"


async def test_a_folders_certificate_is_read_again_when_it_is_another(tmp_path: Path) -> None:
    place(tmp_path, "127.0.0.1")
    loaded: list[tuple[Path, ...]] = []

    class Context(ssl.SSLContext):
        def load_cert_chain(self, *files: Path) -> None:  # type: ignore[override]
            loaded.append(files)

    folder = Folder(tmp_path, Context(ssl.PROTOCOL_TLS_SERVER))
    folder.load()
    folder.load()
    assert len(loaded) == 1
    place(tmp_path, "127.0.0.1")
    folder.load()
    assert len(loaded) == 2


def test_a_folder_without_a_certificate_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=str(tmp_path)):
        Folder(tmp_path, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)).load()


async def test_without_a_folder_it_has_a_certificate_of_its_own_and_tells_the_api_server() -> None:
    async with FakeApi() as api, Client(api.config) as client:
        api.cluster.kinds.add(Kind(KUBEFEDCONFIGS))
        api.cluster.kinds.add(Kind(MUTATINGWEBHOOKS))
        await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        async with serving.serving(Webhook(api.config, "127.0.0.1:0")) as address:
            hooks = (await client.get(VALIDATINGWEBHOOKS, "validations.core.kubefed.io")).body()["webhooks"]
            secret = await client.get(SECRETS, SECRET, NAMESPACE)
            bundle = base64.b64decode(secret.body()["data"]["ca.crt"])
            _, response = await asked(address, bundle, f"{SERVICE}.{NAMESPACE}.svc")
        assert not response["allowed"]
        reached = hooks[0]["clientConfig"]
        assert (reached["service"]["namespace"], reached["service"]["name"]) == (NAMESPACE, SERVICE)
        assert base64.b64decode(reached["caBundle"]) == bundle
