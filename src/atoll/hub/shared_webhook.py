"""The webhook behind a Service: any of several processes answers, so they share one certificate, in a Secret.

Who finds none, or one past half its life, makes a new one. The API server is told to trust it, beside the old one,
before anybody serves it, so that no admission meets a certificate that is not trusted, whoever answers.
"""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from atoll.api.names import FIELD_MANAGER, SYSTEM_NAMESPACE
from atoll.api.objects import Json, Key
from atoll.hub.hooks import Hook, Reached, by_service, is_told, register
from atoll.hub.webhook import answering, load, self_signed
from atoll.kube.client import Client
from atoll.kube.errors import AlreadyExists, Conflict, NotFound
from atoll.kube.objects import Object
from atoll.kube.resources import SECRETS
from atoll.runtime.supervise import cancel_and_wait, keep
from atoll.telemetry.serving import running

log = structlog.get_logger(__name__)

SECRET = "atoll-webhook"  # noqa: S105  # a Secret's name
OWN = Key(SYSTEM_NAMESPACE, SECRET)
LOOK_EVERY = 60.0
"""Seconds after which a process looks whether another one made a new certificate."""
ATTEMPTS = 5


class Pair(msgspec.Struct, frozen=True):
    """A certificate with its key, and every certificate that may be served now, newest first. All PEM."""

    certificate: bytes
    key: bytes
    trusted: bytes

    def __repr__(self) -> str:
        return "Pair(…)"

    def fits(self, host: str, now: datetime) -> bool:
        """Whether it can be served as `host`'s."""
        try:
            leaf = x509.load_pem_x509_certificate(self.certificate)
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.certificate, self.key)
        except (ValueError, ssl.SSLError, x509.ExtensionNotFound):
            return False
        return host in names.get_values_for_type(x509.DNSName) and now < leaf.not_valid_after_utc

    def due(self, now: datetime) -> bool:
        """Past half its life."""
        leaf = x509.load_pem_x509_certificate(self.certificate)
        return now > leaf.not_valid_before_utc + (leaf.not_valid_after_utc - leaf.not_valid_before_utc) / 2


class SharedCertificate:
    """One process's hold on the certificate of Service `service`, behind which `hooks` are answered.

    It is kept in the Secret `secret`.
    """

    def __init__(self, client: Client, service: Key, hooks: Sequence[Hook], secret: Key = OWN) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._client = client
        self._service = service
        self._hooks = hooks
        self._secret = secret
        self._served: Pair | None = None

    @property
    def host(self) -> str:
        """The name that the API server asks for."""
        return f"{self._service.name}.{self._service.namespace}.svc"

    async def follow(self) -> None:
        """`renew()` now and then, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await self.renew()

    async def renew(self) -> None:
        """Serve what the Secret holds; make it when it is missing, due or of no use; see that it is trusted."""
        for _ in range(ATTEMPTS):
            try:
                pair = await self._agreed()
            except (AlreadyExists, Conflict, NotFound):
                continue  # another process was quicker: look at what it made
            if not await is_told(self._client, self._hooks, self._reached(pair), pair.certificate):
                await self._register(pair)
            if pair != self._served:
                load(self.context, pair.certificate, pair.key)
                self._served = pair
            return
        raise Conflict(409, "Conflict", f"Secret {self._secret} is written by others all the time")

    async def _agreed(self) -> Pair:
        """What every process serves from now on."""
        now = datetime.now(UTC)
        try:
            secret = await self._client.get(SECRETS, self._secret.name, self._secret.namespace)
        except NotFound:
            return await self._write(self._made(b""), None)
        pair = _read(secret)
        if pair is None or not pair.fits(self.host, now):
            return await self._write(self._made(b""), secret)
        if not pair.due(now):
            return pair
        log.info("the webhook's certificate is renewed")
        renewed = self._made(_valid(pair.trusted, now))
        await self._register(renewed)
        return await self._write(renewed, secret)

    def _made(self, trusted: bytes) -> Pair:
        certificate, key = self_signed(self.host, f"{self.host}.cluster.local")
        return Pair(certificate, key, certificate + trusted)

    async def _write(self, pair: Pair, old: Object | None) -> Pair:
        data = {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": pair.trusted}
        body: Json = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": self._secret.name, "namespace": self._secret.namespace},
            "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
        }
        await self._client.apply(
            SECRETS,
            body,
            name=self._secret.name,
            namespace=self._secret.namespace,
            manager=FIELD_MANAGER,
            force=True,
            only_create=old is None,
            resource_version=old.resource_version if old is not None else "",
        )
        return pair

    async def _register(self, pair: Pair) -> None:
        await register(self._client, self._hooks, self._reached(pair))

    def _reached(self, pair: Pair) -> Reached:
        return by_service(self._service.namespace, self._service.name, pair.trusted)


@asynccontextmanager
async def serve_shared_webhook(
    client: Client, address: str, service: Key, hooks: Sequence[Hook], secret: Key = OWN
) -> AsyncIterator[str]:
    """Serve `hooks` on `address`, which Service `service` leads to at its port 443, while the context lasts."""
    shared = SharedCertificate(client, service, hooks, secret)
    await shared.renew()
    following = asyncio.create_task(keep("webhook certificate", shared.follow))
    try:
        async with running(answering(hooks), address, shared.context) as bound:
            yield bound
    finally:
        await cancel_and_wait(following)


def _read(secret: Object) -> Pair | None:
    data = secret.body().get("data") or {}
    try:
        parts = [base64.b64decode(data[name], validate=True) for name in ("tls.crt", "tls.key", "ca.crt")]
    except (KeyError, ValueError):
        return None
    return Pair(*parts)


def _valid(bundle: bytes, now: datetime) -> bytes:
    """Those of `bundle` that have not ended."""
    found = x509.load_pem_x509_certificates(bundle) if bundle.strip() else []
    kept = (c for c in found if c.not_valid_after_utc > now)
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in kept)
