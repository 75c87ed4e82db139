"""How an API server says no: metav1.Status."""

from collections.abc import Mapping, Sequence
from typing import Any

from atoll.api.objects import Json


class Refusal(Exception):  # noqa: N818  the server's word
    """An answer of 4xx or 5xx. `retry_after` is in seconds."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        causes: Sequence[Mapping[str, str]] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.causes, self.retry_after = causes, retry_after

    def status(self) -> Json:
        details: dict[str, Any] = {}
        if self.causes:
            details["causes"] = [dict(cause) for cause in self.causes]
        if self.retry_after is not None:
            details["retryAfterSeconds"] = self.retry_after
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": details,
            "code": self.code,
        }


def not_found(plural: str, name: str) -> Refusal:
    return Refusal(404, "NotFound", f'{plural} "{name}" not found')


def changed(plural: str, name: str, why: str) -> Refusal:
    message = f'Operation cannot be fulfilled on {plural} "{name}": {why}'
    return Refusal(409, "Conflict", message)


def expired(message: str = "The resourceVersion for the provided watch is too old.") -> Refusal:
    return Refusal(410, "Expired", message)


def bad_request(message: str) -> Refusal:
    return Refusal(400, "BadRequest", message)


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
