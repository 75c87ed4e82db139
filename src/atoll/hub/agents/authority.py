"""The hub's authority over its agents: a Secret that the hub makes once and keeps; its certificate is no secret."""

import base64
import ssl

from atoll.api.names import HUB_CONFIGMAP, SYSTEM_NAMESPACE
from atoll.fleet.register import KEY_ADDRESSES, KEY_AUTHORITY, KEY_LEADER
from atoll.hub.webhook import load
from atoll.kube.client import Client
from atoll.kube.errors import AlreadyExists, NotFound
from atoll.kube.resources import CONFIGMAPS, SECRETS
from atoll.link.certificates import Authority, Issued, make_authority

AUTHORITY_SECRET = "agents-authority"  # noqa: S105  a name


async def authority(client: Client, hub_id: str) -> Authority:
    """Read it, or make it; two that make it at once agree on one. Raises KubeError, CertificateError."""
    try:
        return _read((await client.get(SECRETS, AUTHORITY_SECRET, SYSTEM_NAMESPACE)).body())
    except NotFound:
        pair = make_authority(f"Atoll hub {hub_id}: agents")
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": AUTHORITY_SECRET, "namespace": SYSTEM_NAMESPACE},
        "data": {"tls.crt": _base64(pair.certificate), "tls.key": _base64(pair.key)},
    }
    try:
        await client.create(SECRETS, body)
    except AlreadyExists:
        return _read((await client.get(SECRETS, AUTHORITY_SECRET, SYSTEM_NAMESPACE)).body())
    return Authority(pair)


async def publish(client: Client, certificate: bytes, addresses: tuple[str, ...], leader: str) -> None:
    """Say in ConfigMap `hub` where agents find this hub; written only when it says something else."""
    wanted = {KEY_ADDRESSES: ",".join(addresses), KEY_AUTHORITY: certificate.decode(), KEY_LEADER: leader}
    found = (await client.get(CONFIGMAPS, HUB_CONFIGMAP, SYSTEM_NAMESPACE)).body().get("data") or {}
    if {key: found.get(key) for key in wanted} != wanted:
        await client.patch(CONFIGMAPS, HUB_CONFIGMAP, SYSTEM_NAMESPACE, {"data": wanted}, type="merge")


def server_context(pair: Issued, ca: bytes) -> ssl.SSLContext:
    """TLS of the endpoint: client certificates are asked for, and verified where given; who must have one is told so
    by the route.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=ca.decode())
    context.verify_mode = ssl.CERT_OPTIONAL
    load(context, pair.certificate, pair.key)
    return context


def _read(body: dict[str, object]) -> Authority:
    data = body.get("data") or {}
    assert isinstance(data, dict)
    return Authority(Issued(base64.b64decode(data.get("tls.crt", "")), base64.b64decode(data.get("tls.key", ""))))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
