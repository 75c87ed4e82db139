"""What can go wrong between us and an API server, as exceptions of our own.

`ApiError` and its kinds: the server answered, and refused; `reason`, `message` and `causes` are the server's words.
`Unreachable`: no usable answer came. `ConfigError` and `CredentialError`: we could not even ask.
"""

# ruff: noqa: N818  the exceptions carry the names that the server gives its reasons

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from atoll.api.objects import GroupKind

LONGEST_RETRY_AFTER = 60.0
"""API servers ask for seconds. What asks for an hour is a proxy before them, which may be back sooner: it is asked."""


class Cause(msgspec.Struct, frozen=True):
    """One of the server's causes: `field` is a path such as `.spec.replicas` or `spec.containers[0].image`."""

    field: str = ""
    reason: str = ""
    message: str = ""


class KubeError(Exception):
    """Anything that kept a request from its result."""


class ApiError(KubeError):
    """The server answered with an error. `retry_after` is what it asked for, in seconds, a minute at most."""

    def __init__(
        self,
        status: int,
        reason: str = "",
        message: str = "",
        causes: tuple[Cause, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message or reason or f"HTTP {status}")
        self.status = status
        self.reason = reason
        self.message = message or reason or f"HTTP {status}"
        self.causes = causes
        self.retry_after = retry_after


class BadRequest(ApiError):
    """400: the request itself is malformed."""


class Unauthorized(ApiError):
    """401: the server does not know who we are: a wrong, expired or missing credential."""


class Forbidden(ApiError):
    """403: known, but not allowed; also admission webhooks and quotas that deny."""


class NotFound(ApiError):
    """404: no such object or namespace; with `unknown_path` no such kind (its CRD is gone, or never was)."""

    @property
    def unknown_path(self) -> bool:
        """The path itself led nowhere: API machinery answers a Status with a reason, the router only text."""
        return not self.reason


class AlreadyExists(ApiError):
    """409: a create found the name taken."""


class Conflict(ApiError):
    """409: a precondition on resourceVersion or UID does not hold any more."""


class FieldConflict(ApiError):
    """409: a server-side apply without force touched fields of other managers.

    `managers` names each once, as in `metadata.managedFields`; `fields` are the paths, such as `.spec.replicas`.
    """

    _MANAGER = re.compile(r'^conflicts? with "((?:[^"\\]|\\.)*)"')

    @property
    def managers(self) -> tuple[str, ...]:
        found = (self._MANAGER.match(cause.message) for cause in self.causes)
        return tuple(dict.fromkeys(re.sub(r"\\(.)", r"\1", match[1]) for match in found if match))

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cause.field for cause in self.causes if cause.field))


class Expired(ApiError):
    """410: the resourceVersion or continue token is too old; list again."""


class TooLarge(ApiError):
    """413, or etcd's own limit: the object or request is too large to be stored."""


class UnsupportedMediaType(ApiError):
    """415: the resource does not take this kind of body."""


class Invalid(ApiError):
    """422: the object breaks its schema or a rule; `causes` name the fields."""


class TooManyRequests(ApiError):
    """429: the server, or an eviction's disruption budget, asks to come back later."""


class InternalError(ApiError):
    """500: the server failed, or a webhook that it had to call did."""


class Unavailable(ApiError):
    """503: not ready, or an aggregated API without a backend."""


class ServerTimeout(ApiError):
    """504, and 500 with the reason ServerTimeout: not finished in time; it may have happened all the same."""


class Unreachable(KubeError):
    """No usable answer. `reason` is one word, the text says host and what to do.

    Reasons: DNS, Refused, NoRoute, Timeout, Idle, Reset, Proxy, CertificateUntrusted, CertificateExpired,
    CertificateNotYetValid, NameMismatch, ClientCertificateRefused, NotTLS, NeedsTLS, TLS, Redirected, NotKubernetes,
    Protocol, Closed, Discovery.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class ConfigError(KubeError):
    """A kubeconfig that cannot be used; the text names file, context, field and what to do."""


class CredentialError(KubeError):
    """A credential that could not be had: an exec plugin failed, a token file is gone."""


class KindNotServed(KubeError):
    """The server does not serve this kind, or not in this version (`version` "" when any would have done)."""

    def __init__(self, group_kind: GroupKind, version: str = "") -> None:
        super().__init__(f"the cluster does not serve {group_kind}" + (f" in version {version}" if version else ""))
        self.group_kind = group_kind
        self.version = version


_BY_REASON: Mapping[str, type[ApiError]] = {
    "BadRequest": BadRequest,
    "Unauthorized": Unauthorized,
    "Forbidden": Forbidden,
    "NotFound": NotFound,
    "AlreadyExists": AlreadyExists,
    "Conflict": Conflict,
    "Gone": Expired,
    "Expired": Expired,
    "Invalid": Invalid,
    "RequestEntityTooLarge": TooLarge,
    "UnsupportedMediaType": UnsupportedMediaType,
    "TooManyRequests": TooManyRequests,
    "Timeout": ServerTimeout,
    "ServerTimeout": ServerTimeout,
    "ServiceUnavailable": Unavailable,
    "InternalError": InternalError,
}
_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    413: TooLarge,
    415: UnsupportedMediaType,
    422: Invalid,
    429: TooManyRequests,
    500: InternalError,
    503: Unavailable,
    504: ServerTimeout,
}
_TYPED = re.compile(r"failed to create typed (?:patch|live) object")
_TYPED_CAUSE = re.compile(r"(?:: |\n)\s*(\.(?:\[[^\]]*\]|[^\s:\[])*): ([^\n]+)")
_ETCD_TOO_LARGE = ("etcdserver: request is too large", "trying to send message larger than max")


class _Details(msgspec.Struct):
    causes: list[Cause] | None = None
    retry_after_seconds: float | None = msgspec.field(default=None, name="retryAfterSeconds")


class _Status(msgspec.Struct):
    """metav1.Status, the parts that we read."""

    kind: str = ""
    code: int = 0
    reason: str | None = None
    message: str | None = None
    details: _Details | None = None


_decode_status = msgspec.json.Decoder(_Status).decode


def api_error(status: int, body: bytes, retry_after: float | None = None) -> ApiError:
    """The exception for an answer of `status` with `body`: a metav1.Status, or whatever a proxy in between wrote."""
    try:
        answer = _decode_status(body)
    except msgspec.DecodeError:
        answer = _Status()
    if answer.kind != "Status":
        text = body[:512].decode(errors="replace").strip()
        answer = _Status(message=f"HTTP {status}: {text}" if text else f"HTTP {status}")
    status = status if status >= 400 else answer.code or 500
    details = answer.details or _Details()
    causes = tuple(details.causes or ())
    reason, message = answer.reason or "", answer.message or ""
    if status == 500 and not reason and _TYPED.match(message):
        # Server-side apply checks against the schema itself, and reports the user's mistakes as its own (1.36 still)
        reason = "Invalid"
        causes = tuple(Cause(field, "FieldValueInvalid", words) for field, words in _TYPED_CAUSE.findall(message))
    if retry_after is None and details.retry_after_seconds:
        retry_after = details.retry_after_seconds
    if retry_after is not None:
        retry_after = min(retry_after, LONGEST_RETRY_AFTER)
    return _kind_of(status, reason, message, causes)(status, reason, message, causes, retry_after)


def _kind_of(status: int, reason: str, message: str, causes: tuple[Cause, ...]) -> type[ApiError]:
    if any(text in message for text in _ETCD_TOO_LARGE):
        return TooLarge
    if status == 409 and any(cause.reason == "FieldManagerConflict" for cause in causes):
        return FieldConflict
    return _BY_REASON.get(reason) or _BY_STATUS.get(status, ApiError)


def error_of(status: Mapping[str, Any]) -> ApiError:
    """The exception for a metav1.Status that is already decoded."""
    return api_error(int(status.get("code") or 500), msgspec.json.encode(status))
