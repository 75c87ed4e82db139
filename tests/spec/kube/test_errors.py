"""The server's refusals arrive as what they are, in the server's words."""

import msgspec
import pytest

from atoll.kube import errors
from atoll.kube.errors import Cause, FieldConflict, Invalid, NotFound, TooLarge, api_error


def status(code: int, reason: str, message: str = "no", **details: object) -> bytes:
    return msgspec.json.encode(
        {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}
    )


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (400, "BadRequest", errors.BadRequest),
        (401, "Unauthorized", errors.Unauthorized),
        (403, "Forbidden", errors.Forbidden),
        (404, "NotFound", errors.NotFound),
        (409, "AlreadyExists", errors.AlreadyExists),
        (409, "Conflict", errors.Conflict),
        (410, "Expired", errors.Expired),
        (410, "Gone", errors.Expired),
        (413, "RequestEntityTooLarge", errors.TooLarge),
        (415, "UnsupportedMediaType", errors.UnsupportedMediaType),
        (422, "Invalid", errors.Invalid),
        (429, "TooManyRequests", errors.TooManyRequests),
        (500, "InternalError", errors.InternalError),
        (500, "ServerTimeout", errors.ServerTimeout),
        (503, "ServiceUnavailable", errors.Unavailable),
        (504, "Timeout", errors.ServerTimeout),
        (418, "", errors.ApiError),
        (405, "MethodNotAllowed", errors.ApiError),
    ],
)
def test_each_reason_has_its_exception(code: int, reason: str, expected: type[errors.ApiError]) -> None:
    error = api_error(code, status(code, reason))
    assert type(error) is expected
    assert (error.status, error.reason, str(error)) == (code, reason, "no")


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 410, 413, 415, 422, 429, 500, 503, 504])
def test_without_a_status_the_http_code_decides(code: int) -> None:
    """A proxy or load balancer answered: its words are kept, in part."""
    error = api_error(code, b"<html>" + b"x" * 9999)
    assert type(error) is type(api_error(code, status(code, "")))
    assert str(error).startswith(f"HTTP {code}: <html>x")
    assert len(str(error)) < 600
    assert error.reason == ""


def test_causes_name_the_fields() -> None:
    causes = [{"reason": "FieldValueRequired", "message": "Required value", "field": "spec.selector"}]
    error = api_error(422, status(422, "Invalid", causes=causes))
    assert isinstance(error, Invalid)
    assert error.causes == (Cause("spec.selector", "FieldValueRequired", "Required value"),)


def test_a_field_conflict_names_managers_and_fields() -> None:
    words = [
        ('conflict with "kubectl-client-side-apply" using apps/v1', ".spec.replicas"),
        ('conflict with "kubectl-client-side-apply" using apps/v1', ".spec.template"),
        ('conflict with "the \\"best\\" one" with subresource "scale" using apps/v1', ".spec.replicas"),
        ('conflict with "hpa" with subresource "scale" using autoscaling/v1 at 2026-01-01T00:00:00Z', ".spec.replicas"),
    ]
    causes = [{"reason": "FieldManagerConflict", "message": text, "field": field} for text, field in words]
    error = api_error(409, status(409, "Conflict", causes=causes))
    assert isinstance(error, FieldConflict)
    assert error.managers == ("kubectl-client-side-apply", 'the "best" one', "hpa")
    assert error.fields == (".spec.replicas", ".spec.template")


@pytest.mark.parametrize("code", [400, 500])
def test_etcds_own_limit_is_too_large(code: int) -> None:
    assert isinstance(api_error(code, status(code, "", "etcdserver: request is too large")), TooLarge)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (".dat: field not declared in schema", [(".dat", "field not declared in schema")]),
        (
            '.spec.containers[name="a: b"].ports: duplicate entries for key [containerPort=80,protocol="TCP"]',
            [
                (
                    '.spec.containers[name="a: b"].ports',
                    'duplicate entries for key [containerPort=80,protocol="TCP"]',
                )
            ],
        ),
        (
            "errors:\n  .spec.replicas: expected numeric (int or float), got string\n  .spec.foo: field not declared",
            [
                (".spec.replicas", "expected numeric (int or float), got string"),
                (".spec.foo", "field not declared"),
            ],
        ),
    ],
)
def test_what_an_apply_finds_in_the_schema_is_invalid(words: str, expected: list[tuple[str, str]]) -> None:
    """API servers answer 500 without a reason; to try again would not help."""
    message = f"failed to create typed patch object (demo/web; apps/v1, Kind=Deployment): {words}"
    error = api_error(500, msgspec.json.encode({"kind": "Status", "code": 500, "message": message}))
    assert isinstance(error, Invalid)
    assert (error.status, error.reason, str(error)) == (500, "Invalid", message)
    assert [(cause.field, cause.message) for cause in error.causes] == expected


def test_when_to_come_back() -> None:
    body = status(429, "TooManyRequests", retryAfterSeconds=7)
    assert api_error(429, body).retry_after == 7
    assert api_error(429, body, 3.0).retry_after == 3
    assert api_error(429, status(429, "TooManyRequests")).retry_after is None


def test_who_asks_for_an_hour_is_asked_after_a_minute() -> None:
    """A proxy before a server that is away says what it likes: the member is back long before."""
    assert api_error(503, b"maintenance", 3600.0).retry_after == 60
    assert api_error(503, b"maintenance", float("9" * 400)).retry_after == 60
    assert api_error(429, status(429, "TooManyRequests", retryAfterSeconds=86400)).retry_after == 60


def test_a_missing_object_is_not_a_missing_kind() -> None:
    missing = api_error(404, status(404, "NotFound", 'configmaps "x" not found'))
    unserved = api_error(404, b"404 page not found\n")
    assert isinstance(missing, NotFound)
    assert isinstance(unserved, NotFound)
    assert (missing.unknown_path, unserved.unknown_path) == (False, True)
