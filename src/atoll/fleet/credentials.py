"""The credentials by which the hub reaches a member: bound tokens, kept in a Secret, rotated at half their life.

A Secret labelled `atoll.dev/managed: "true"` was made by `cluster join` and is renewed here. Any other is a user's:
it is used as it is, and only read to tell when it ends.
"""

import base64
import hashlib
import time
from datetime import datetime

import jwt
import msgspec
from cryptography import x509

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.api.objects import Json
from atoll.api.times import format_time
from atoll.fleet.connect import KUBECONFIG_KEY
from atoll.fleet.rights import Rights, account_name
from atoll.kube.client import Client
from atoll.kube.config import Config
from atoll.kube.errors import ConfigError
from atoll.kube.objects import Object
from atoll.kube.resources import SECRETS

LABEL_MANAGED = "atoll.dev/managed"
LABEL_CLUSTER = "atoll.dev/cluster"
ANNOTATION_CLUSTER_UID = "atoll.dev/cluster-uid"
ANNOTATION_ISSUED = "atoll.dev/issued"
ANNOTATION_EXPIRES = "atoll.dev/expires"
ANNOTATION_RIGHTS = "atoll.dev/rights"

LIFETIME = 7 * 24 * 3600
"""Seconds asked for. Half of it is how long a hub may be down or a member away without a new join; a member may grant
less (some clouds cap it at 24 hours), and what it granted is what counts."""
EXPIRING_SHARE = 0.25
"""With less than this share of its life left, renewing it has failed for long: the condition CredentialExpiring."""


class Token(msgspec.Struct, frozen=True):
    """A bound token, with the times (epoch seconds) that its issuer wrote in it."""

    value: str
    issued: float
    expires: float

    def __repr__(self) -> str:
        return f"Token(issued={self.issued}, expires={self.expires})"


class Credential(msgspec.Struct, frozen=True):
    """What a Secret says of itself. Times are epoch seconds; None where there is no end, or none that can be told."""

    managed: bool
    cluster_uid: str = ""
    rights: str = ""
    """As in `Rights.parse`; a user says by the annotation that a credential of his own is limited."""
    issued: float | None = None
    expires: float | None = None

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The only ones in which it may be used; none: it may everywhere. Raises ConfigError."""
        try:
            return Rights.parse(self.rights).namespaces if self.rights else ()
        except ValueError as error:
            raise ConfigError(f"annotation {ANNOTATION_RIGHTS}: {error}") from error

    @property
    def rotate_at(self) -> float | None:
        """When a managed credential is due to be renewed; None for a user's own."""
        if not self.managed or self.expires is None:
            return None
        return self.expires if self.issued is None else (self.issued + self.expires) / 2

    def expiring(self, now: float) -> bool:
        """It ends soon, and nothing has renewed it."""
        if self.expires is None:
            return False
        life = self.expires - self.issued if self.issued is not None else LIFETIME
        return now > self.expires - life * EXPIRING_SHARE


def read(secret: Object, config: Config | None = None) -> Credential:
    """What is known of the credential in `secret`. `config` (what it holds) tells the end of a user's own one."""
    notes = secret.annotations
    if secret.labels.get(LABEL_MANAGED) == "true":
        issued, expires = parse_time(notes.get(ANNOTATION_ISSUED, "")), parse_time(notes.get(ANNOTATION_EXPIRES, ""))
        return Credential(
            True, notes.get(ANNOTATION_CLUSTER_UID, ""), notes.get(ANNOTATION_RIGHTS, ""), issued, expires
        )
    issued, expires = lifetime(config) if config else (None, None)
    return Credential(False, notes.get(ANNOTATION_CLUSTER_UID, ""), notes.get(ANNOTATION_RIGHTS, ""), issued, expires)


def fingerprint(config: Config) -> str:
    """What a managed credential leads to, whatever its token: that is renewed while the connection lasts."""
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(config, token="", source=""))).hexdigest()


def lifetime(config: Config) -> tuple[float | None, float | None]:
    """From when to when the credentials inside `config` hold, of its token or else its client certificate."""
    if config.token:
        token = _read_token(config.token, None)
        return (token.issued or None, token.expires or None)
    if config.client_certificate:
        try:
            certificate = x509.load_pem_x509_certificate(config.client_certificate)
        except ValueError:  # whoever connects with it says what is wrong
            return None, None
        return certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    return None, None


async def issue(member: Client, hub: str, *, seconds: int = LIFETIME) -> Token:
    """A new token of hub `hub`'s account, bound to it: deleting the account ends every one of its tokens."""
    path = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/serviceaccounts/{account_name(hub)}/token"
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": seconds},
    }
    status = (await member.request("POST", path, body=body))["status"]
    return _read_token(status["token"], parse_time(status.get("expirationTimestamp", "")))


async def rotate(hub: Client, member: Client, hub_id: str, secret: Object, config: Config) -> tuple[Object, Credential]:
    """Put a new token into managed `secret`, whose kubeconfig is `config`. Raises KubeError; then nothing has changed.

    Conflict means that somebody else wrote the Secret meanwhile, such as `cluster join`: read it again. The old token
    stays valid until its own end, so that whoever still holds it is not cut off in the middle of something.
    """
    token = await issue(member, hub_id)
    old = read(secret)
    body = secret_body(secret.name, with_token(config, token), token, cluster_uid=old.cluster_uid, rights=old.rights)
    body["metadata"] |= {"resourceVersion": secret.resource_version, "uid": secret.uid}
    written = await hub.replace(SECRETS, body)
    return written, read(written)


def with_token(config: Config, token: Token) -> Config:
    """The same API server, reached with `token` instead of whatever credentials `config` has."""
    return Config(
        server=config.server,
        ca=config.ca,
        insecure=config.insecure,
        tls_server_name=config.tls_server_name,
        proxy_url=config.proxy_url,
        compression=config.compression,
        token=token.value,
    )


def secret_body(name: str, config: Config, token: Token, *, cluster_uid: str, rights: str) -> Json:
    """The Secret of cluster `name`, which holds `config`."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": name,
            "namespace": SYSTEM_NAMESPACE,
            "labels": {LABEL_MANAGED: "true", LABEL_CLUSTER: name},
            "annotations": {
                ANNOTATION_CLUSTER_UID: cluster_uid,
                ANNOTATION_ISSUED: _written(token.issued),
                ANNOTATION_EXPIRES: _written(token.expires),
                ANNOTATION_RIGHTS: rights,
            },
        },
        "data": {KUBECONFIG_KEY: base64.b64encode(config.to_kubeconfig(name)).decode()},
    }


def parse_time(text: str) -> float | None:
    """Epoch seconds of an RFC 3339 time; None when it isn't one."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _read_token(value: str, expires: float | None) -> Token:
    """Times are the issuer's own when the token is a JWT, so that they don't depend on the clock here."""
    try:
        claims = jwt.decode(value, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        claims = {}
    issued = _moment(claims.get("iat")) or (time.time() if expires else 0.0)
    return Token(value, issued, _moment(claims.get("exp")) or expires or 0.0)


def _moment(claim: object) -> float:
    """A NumericDate (RFC 7519); 0 for what is none: whoever made the token is no matter of ours."""
    return float(claim) if isinstance(claim, int | float) and 0 < claim < float("inf") else 0.0


def _written(moment: float) -> str:
    return format_time(moment) or "1970-01-01T00:00:00Z"
