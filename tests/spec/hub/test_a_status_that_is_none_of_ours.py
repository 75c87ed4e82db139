"""The API server lets pass whatever is written as an Application's status: who reads it checks its form."""

from typing import Any

import pytest

from atoll.api.status import ApplicationStatus
from atoll.hub.intents import believed, lenient
from atoll.kube.objects import of_body

WRITTEN: dict[str, Any] = {"sequence": 7, "placement": [{"cluster": "eu"}]}


def application(status: Any) -> dict[str, Any]:
    return {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "shop", "namespace": "demo"},
        "spec": {"manifests": []},
        "status": status,
    }


def test_a_status_of_its_form_is_read() -> None:
    assert believed(application(WRITTEN)) == application(WRITTEN)
    app = lenient(of_body(application(WRITTEN)))
    assert app is not None
    assert [placed.cluster for placed in app.status.placement] == ["eu"]


@pytest.mark.parametrize("status", [{"sequence": "seven"}, {"placement": [{}]}, ["text"], "text", None])
def test_any_other_counts_as_none(status: Any) -> None:
    assert "status" not in believed(application(status))
    app = lenient(of_body(application(status)))
    assert app is not None
    assert app.status == ApplicationStatus()
