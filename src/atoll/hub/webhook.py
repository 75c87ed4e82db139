"""The validating webhook: `validate()` at admission, so that a mistake is told when it is made.

Here its certificate lives as long as the process and is written into the configuration at each start; behind a Service,
where several processes answer, they share one: see `shared_webhook`. `failurePolicy` is Ignore: without a hub,
Applications are accepted and judged later, by the same function.
"""

import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from atoll.api.objects import Json
from atoll.api.validate import Issue
from atoll.hub.hooks import Hook, Reached, by_url, register
from atoll.kube.client import Client
from atoll.kube.objects import Resource
from atoll.kube.resources import VALIDATINGWEBHOOKS
from atoll.link.certificates import general_name
from atoll.telemetry.serving import running

NAME = "atoll"
PATH = "/validate"
MOST_BYTES = 8 * 1024 * 1024
LIFETIME = timedelta(days=365)

Judge = Callable[[Json], Awaitable[Iterable[Issue]]]


@asynccontextmanager
async def serve_webhook(
    client: Client, address: str, public_host: str, judge: Judge, *others: Hook
) -> AsyncIterator[str]:
    """Serve admission on `address` and register it at https://`public_host`:port while the context lasts."""
    hooks = (admission(judge), *others)
    certificate, key = self_signed(public_host)
    async with running(answering(hooks), address, server_context(certificate, key)) as bound:
        port = bound.rpartition(":")[2]
        host = f"[{public_host}]" if ":" in public_host else public_host
        await register(client, hooks, by_url(f"https://{host}:{port}", certificate))
        yield bound


def answering(hooks: Iterable[Hook]) -> web.Application:
    """Answers for all of `hooks`."""
    app = web.Application(client_max_size=MOST_BYTES)
    app.add_routes([route for hook in hooks for route in hook.routes])
    return app


def admission(judge: Judge) -> Hook:
    """Answers AdmissionReviews of Applications with what `judge` says."""

    async def answer(request: web.Request) -> web.Response:
        asked = msgspec.json.decode(await request.read())["request"]
        issues = () if _leaving(asked) else await judge(asked.get("object") or {})
        return reviewed(verdict(asked, issues))

    return Hook((web.post(PATH, answer),), configurations)


def reviewed(response: Json) -> web.Response:
    return web.json_response({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})


def _leaving(request: dict[str, Any]) -> bool:
    """What is being deleted is let through: its finalizers have to go."""
    return bool(((request.get("object") or {}).get("metadata") or {}).get("deletionTimestamp"))


def verdict(request: dict[str, Any], issues: Iterable[Issue]) -> Json:
    """The response to one AdmissionRequest."""
    issues = tuple(issues)
    errors = [f"{i.path}: {i.message}" for i in issues if i.severity == "error"]
    response: Json = {"uid": request["uid"], "allowed": not errors}
    if warnings := [f"{i.path}: {i.message}"[:256] for i in issues if i.severity == "warning"]:
        response["warnings"] = warnings[:10]
    if errors:
        response["status"] = {"code": 422, "reason": "Invalid", "message": "; ".join(errors)[:4096]}
    return response


def configurations(reached: Reached) -> tuple[tuple[Resource, Json], ...]:
    """What the API server is told."""
    body: Json = {
        "apiVersion": VALIDATINGWEBHOOKS.api_version,
        "kind": VALIDATINGWEBHOOKS.kind,
        "metadata": {"name": NAME},
        "webhooks": [
            {
                "name": "applications.atoll.dev",
                "clientConfig": reached(PATH),
                "rules": [
                    {
                        "apiGroups": ["atoll.dev"],
                        "apiVersions": ["v1alpha1"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["applications"],
                    }
                ],
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "matchConditions": [
                    {  # the hub's own writes, finalizers above all, needn't come round
                        "name": "spec-changed",
                        "expression": "request.operation == 'CREATE' || object.spec != oldObject.spec",
                    }
                ],
                "failurePolicy": "Ignore",
                "timeoutSeconds": 3,
            }
        ],
    }
    return ((VALIDATINGWEBHOOKS, body),)


def self_signed(*hosts: str) -> tuple[bytes, bytes]:
    """A certificate for `hosts` (names or addresses) and its key, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "atoll-webhook")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([general_name(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def server_context(certificate: bytes, key: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load(context, certificate, key)
    return context


def load(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Serve this certificate from now on. Raises ssl.SSLError when the key isn't its own."""
    with tempfile.TemporaryDirectory() as folder:  # 0700; ssl reads files only
        path = Path(folder, "pem")
        path.write_bytes(certificate + key)
        context.load_cert_chain(path)
