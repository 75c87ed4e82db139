"""What an error means for one object: in which state it is, in whose words, and how soon to try again."""

import random
import re

import msgspec

from atoll.api.delivery import ObjectState
from atoll.api.objects import GroupKind
from atoll.deliver.order import CRD, NAMESPACE
from atoll.kube.errors import (
    ApiError,
    BadRequest,
    Conflict,
    Forbidden,
    InternalError,
    Invalid,
    KindNotServed,
    KubeError,
    NotFound,
    ServerTimeout,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
    UnsupportedMediaType,
)

SOON = (0.05, 60.0)
"""First and longest wait, in seconds, for what passes by itself: overload, time-outs, races."""
LATER = (2.0, 120.0)
"""For what somebody must change: the manifest, a quota, a right."""
MOST_TEXT = 512

SECRET = GroupKind("", "Secret")
KEEPS_DATA = frozenset({GroupKind("", "PersistentVolumeClaim"), GroupKind("", "PersistentVolume"), NAMESPACE, CRD})
"""Kinds that are never recreated: deleting one deletes what it holds."""

_VALUE = re.compile(
    r'(Invalid|Unsupported|Duplicate) value: (?:"(?:[^"\\]|\\.)*"|\{.*\}|\[.*\]|[^:]*)(?=: |$)', re.DOTALL
)
_IMMUTABLE = re.compile(
    r"immutable|may not (?:change|be changed)|updates to .* are forbidden|cannot be (?:changed|updated)"
)
_DENIED = re.compile(r"denied the request|denied request|ValidatingAdmissionPolicy")
_MALFORMED = ("failed to create typed patch object", "failed to create manager", "strict decoding error")


class Refusal(msgspec.Struct, frozen=True):
    """`wait` is the first and the longest wait before another try."""

    state: ObjectState
    reason: str
    message: str
    wait: tuple[float, float]


class RefusedError(Exception):
    """An object can't be brought to what is desired now, and why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def wait_after(failures: int, bounds: tuple[float, float]) -> float:
    """Seconds until another try, after so many that failed before: from the first to the longest of `bounds`."""
    first, most = bounds
    wait = min(most, first * 2.0 ** min(failures, 20))
    return wait if first == most else wait * random.uniform(0.8, 1.2)


def refusal(error: KubeError, kind: GroupKind) -> Refusal:
    """What `error`, met while writing an object of `kind`, means for it."""
    message = plain(error, kind)
    match error:
        case TooManyRequests() | Unavailable() | ServerTimeout():
            return Refusal("Pending", error.reason or type(error).__name__, message, SOON)
        case KindNotServed():
            return Refusal("Waiting", "KindNotServed", message, LATER)
        case Unreachable():
            return Refusal("Pending", error.reason, message, SOON)
        case Invalid():
            reason = "AdmissionDenied" if _DENIED.search(error.message) else "Invalid"
            return Refusal("Failed", "Immutable" if immutable(error) else reason, message, LATER)
        case Forbidden():
            return _forbidden(error, message)
        case TooLarge():
            return Refusal("Failed", "TooLarge", message, LATER)
        case Unauthorized() | UnsupportedMediaType():
            return Refusal("Failed", error.reason or type(error).__name__, message, LATER)
        case NotFound():
            return Refusal("Waiting", "NotFound", message, SOON)
        case Conflict():
            return Refusal("Pending", "Conflict", message, SOON)
        case ApiError():
            return _other(error, message)
    return Refusal("Pending", type(error).__name__, message, SOON)


def _forbidden(error: Forbidden, message: str) -> Refusal:
    if any(cause.reason == "NamespaceTerminating" for cause in error.causes):
        return Refusal("Waiting", "NamespaceTerminating", message, (0.25, 5.0))
    if "exceeded quota" in error.message:
        return Refusal("Failed", "QuotaExceeded", message, LATER)
    if "error looking up service account" in error.message:
        return Refusal("Waiting", "ServiceAccountMissing", message, SOON)
    return Refusal("Failed", "AdmissionDenied" if _DENIED.search(error.message) else "Forbidden", message, LATER)


def _other(error: ApiError, message: str) -> Refusal:
    if any(text in error.message for text in _MALFORMED) or (
        isinstance(error, BadRequest) and not _DENIED.search(error.message)
    ):
        return Refusal("Failed", "Invalid", message, LATER)
    if _DENIED.search(error.message):
        return Refusal("Failed", "AdmissionDenied", message, LATER)
    if "failed calling webhook" in error.message:
        return Refusal("Pending", "WebhookFailed", message, SOON)
    if isinstance(error, InternalError):
        return Refusal("Pending", error.reason or "InternalError", message, SOON)
    return Refusal("Failed", error.reason or type(error).__name__, message, LATER)


def immutable(error: KubeError) -> bool:
    """Whether `error` says nothing but that fields can't be changed in place."""
    if not isinstance(error, Invalid):
        return False
    causes = [cause.message for cause in error.causes] or [error.message]
    return all(_IMMUTABLE.search(text) for text in causes)


def plain(error: KubeError, kind: GroupKind) -> str:
    """The server's own words, without values where they may be secret, and without dumps of whole objects."""
    text = str(error)
    if kind == SECRET and isinstance(error, ApiError) and not isinstance(error, Forbidden | NotFound):
        named = "; ".join(f"{c.field}: {_without_values(c.message)}" for c in error.causes if c.field)
        text = named if isinstance(error, Invalid) and named else error.reason or f"HTTP {error.status}"
    if len(text) > MOST_TEXT // 2:
        text = _without_values(text)
    text = " ".join(text.split())
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 1]}…"


def _without_values(text: str) -> str:
    return _VALUE.sub(r"\1 value", text)
