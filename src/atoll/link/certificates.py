"""Certificates of the link: one authority a hub, which signs the hub's own and those of its agents, and nothing else.

An agent's identity is its key. A certificate says which cluster the key speaks for, is short-lived, and is issued anew
for the same key while the hub still knows that key.
"""

import datetime as dt
import hashlib
import ipaddress
from collections.abc import Iterable

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = dt.timedelta(days=3650)
SERVER_LIFE = dt.timedelta(days=90)
AGENT_LIFE = dt.timedelta(hours=24)
RENEW_AT = 0.7
"""Share of a certificate's life after which it is renewed."""
SKEW = dt.timedelta(minutes=5)
"""By which clocks may differ."""
SCHEME = "atoll"


class CertificateError(Exception):
    """A certificate, key or request that can't be used; the text says why."""


class AgentIdentity(msgspec.Struct, frozen=True):
    """Whom an agent speaks for: hub `hub`'s Cluster `cluster` with UID `uid`; another one of that name isn't it."""

    hub: str
    cluster: str
    uid: str

    def __str__(self) -> str:
        return f"{SCHEME}://{self.hub}/clusters/{self.cluster}/{self.uid}"

    @classmethod
    def parse(cls, text: str) -> "AgentIdentity":
        """Raises CertificateError."""
        scheme, _, rest = text.partition("://")
        parts = rest.split("/")
        if scheme != SCHEME or len(parts) != 4 or parts[1] != "clusters" or not all(parts):
            raise CertificateError(f"{text!r} names no agent")
        return cls(parts[0], parts[2], parts[3])


class Issued(msgspec.Struct, frozen=True):
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Issued(…)"


def make_key() -> bytes:
    return _pem(ec.generate_private_key(ec.SECP256R1()))


def make_request(key: bytes) -> bytes:
    """A CSR. It names nobody: who is asked decides whom the key speaks for."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(_load_key(key), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def make_authority(name: str) -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(subject, subject, key.public_key(), AUTHORITY_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs=True), critical=True)
    return Issued(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), _pem(key))


class Authority:
    """Signs. Raises CertificateError when the pair can't be read."""

    def __init__(self, pair: Issued) -> None:
        self.certificate = pair.certificate
        self._ca = _load(pair.certificate)
        self._key = _load_key(pair.key)

    def server(self, hosts: Iterable[str], life: dt.timedelta = SERVER_LIFE) -> Issued:
        """For a hub that is dialled by these names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([general_name(host) for host in hosts])
        certificate = self._sign("atoll-hub", key.public_key(), life, ExtendedKeyUsageOID.SERVER_AUTH, names)
        return Issued(certificate, _pem(key))

    def agent(self, request: bytes, identity: AgentIdentity, life: dt.timedelta = AGENT_LIFE) -> bytes:
        """A certificate for the key of `request`, whose holder speaks for `identity`. Raises CertificateError."""
        key = request_key(request)
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(str(identity))])
        return self._sign(identity.cluster, key, life, ExtendedKeyUsageOID.CLIENT_AUTH, names)

    def _sign(
        self,
        name: str,
        key: ec.EllipticCurvePublicKey,
        life: dt.timedelta,
        purpose: x509.ObjectIdentifier,
        names: x509.SubjectAlternativeName,
    ) -> bytes:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(subject, self._ca.subject, key, life)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def identity_of(der: bytes) -> tuple[AgentIdentity, str, float]:
    """Whom a client certificate (DER, already verified) speaks for, its key's fingerprint, and when it ends (epoch
    seconds). Raises CertificateError.
    """
    certificate = x509.load_der_x509_certificate(der)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound as error:
        raise CertificateError("the certificate names no agent") from error
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1:
        raise CertificateError("the certificate names no agent, or several")
    key = _key_fingerprint(certificate.public_key())
    return AgentIdentity.parse(uris[0]), key, certificate.not_valid_after_utc.timestamp()


def request_key(request: bytes) -> ec.EllipticCurvePublicKey:
    """The key that a CSR proves to hold. Raises CertificateError."""
    try:
        loaded = x509.load_pem_x509_csr(request)
        key = loaded.public_key()
        proved = loaded.is_signature_valid
    except Exception as error:
        raise CertificateError(f"this is no certificate request: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not proved:
        raise CertificateError("a request with an elliptic curve's key, signed by it, is expected")
    return key


def request_fingerprint(request: bytes) -> str:
    """That of the key in a CSR. Raises CertificateError."""
    return _key_fingerprint(request_key(request))


def fingerprint(certificate: bytes) -> str:
    """`sha256:` and the hash of a certificate: what is pinned. Raises CertificateError."""
    return f"sha256:{hashlib.sha256(_load(certificate).public_bytes(serialization.Encoding.DER)).hexdigest()}"


def lifetime(certificate: bytes) -> tuple[float, float]:
    """From when to when it holds, epoch seconds; SKEW is not part of it."""
    loaded = _load(certificate)
    return (loaded.not_valid_before_utc + SKEW).timestamp(), loaded.not_valid_after_utc.timestamp()


def renew_at(certificate: bytes) -> float:
    """When it is to be renewed, epoch seconds."""
    begin, end = lifetime(certificate)
    return begin + (end - begin) * RENEW_AT


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, life: dt.timedelta
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - SKEW).not_valid_after(now + life)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def general_name(host: str) -> x509.GeneralName:
    """A host, which may be an address, as certificates name it."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _load(certificate: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(certificate)
    except ValueError as error:
        raise CertificateError(f"this is no certificate in PEM: {error}") from error


def _load_key(key: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        loaded = serialization.load_pem_private_key(key, password=None)
    except ValueError as error:
        raise CertificateError(f"this is no private key in PEM: {error}") from error
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise CertificateError("an elliptic curve's key is expected")
    return loaded


def _key_fingerprint(key: object) -> str:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise CertificateError("an elliptic curve's key is expected")
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
