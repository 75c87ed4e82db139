"""What each error means for an object, in whose words, and without secrets."""

import pytest

from atoll.api.objects import GroupKind
from atoll.deliver.refusals import SECRET, immutable, refusal
from atoll.kube.errors import (
    BadRequest,
    Cause,
    Forbidden,
    InternalError,
    Invalid,
    KindNotServed,
    KubeError,
    TooLarge,
    TooManyRequests,
    Unreachable,
)

KIND = GroupKind("apps", "Deployment")
DENIED = 'admission webhook "guard.example.org" denied the request: no'
TERMINATING = Forbidden(403, "Forbidden", "…", (Cause("metadata.namespace", "NamespaceTerminating", "…"),))


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (TooManyRequests(429, "TooManyRequests", "slow down"), "Pending", "TooManyRequests"),
        (Unreachable("Timeout", "no answer"), "Pending", "Timeout"),
        (KindNotServed(KIND), "Waiting", "KindNotServed"),
        (TERMINATING, "Waiting", "NamespaceTerminating"),
        (Forbidden(403, "Forbidden", "exceeded quota: q"), "Failed", "QuotaExceeded"),
        (Forbidden(403, "Forbidden", DENIED), "Failed", "AdmissionDenied"),
        (BadRequest(400, "", DENIED), "Failed", "AdmissionDenied"),
        (Forbidden(403, "Forbidden", "user cannot"), "Failed", "Forbidden"),
        (InternalError(500, "", "failed to create typed patch object (/d): bad"), "Failed", "Invalid"),
        (InternalError(500, "InternalError", 'failed calling webhook "x": refused'), "Pending", "WebhookFailed"),
        (InternalError(500, "InternalError", "etcd is slow"), "Pending", "InternalError"),
        (BadRequest(400, "BadRequest", 'strict decoding error: unknown field "x"'), "Failed", "Invalid"),
        (TooLarge(413, "RequestEntityTooLarge", "too large"), "Failed", "TooLarge"),
    ],
)
def test_each_error_has_a_state_and_a_reason(error: KubeError, state: str, reason: str) -> None:
    found = refusal(error, KIND)
    assert (found.state, found.reason) == (state, reason)


def invalid(message: str, *causes: str) -> Invalid:
    return Invalid(422, "Invalid", message, tuple(Cause("spec", "FieldValueInvalid", cause) for cause in causes))


def test_only_immutable_fields_count_as_immutable() -> None:
    assert immutable(invalid("…", "Invalid value: 1: field is immutable"))
    assert immutable(
        invalid("…", "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden")
    )
    assert immutable(invalid("…", "Forbidden: spec is immutable after creation except resources.requests"))
    assert not immutable(invalid("…", "Invalid value: 1: field is immutable", "Required value"))


def test_whole_objects_are_not_printed() -> None:
    message = 'Job "j" is invalid: spec.template: Invalid value: {"a":"' + "x" * 5000 + '"}: field is immutable'
    assert refusal(invalid(message), KIND).message == (
        'Job "j" is invalid: spec.template: Invalid value: field is immutable'
    )


def test_a_secrets_values_are_not_printed() -> None:
    error = invalid('Secret "s" is invalid: data[x]: Invalid value: "hunter2": bad', 'Invalid value: "hunter2": bad')
    assert refusal(error, SECRET).message == "spec: Invalid value: bad"
    broken = BadRequest(400, "BadRequest", "illegal base64 data: hunter2")
    assert "hunter2" not in refusal(broken, SECRET).message
