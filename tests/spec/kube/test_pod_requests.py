"""What a Pod requests, as the scheduler counts."""

from typing import Any

import pytest

from atoll.kube.podrequests import pod_requests


def needs(cpu: str, **more: Any) -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu}}, **more}


SIDECAR = {"restartPolicy": "Always"}


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": [needs("250m"), needs("1")]}, 1250),
        ({"containers": [needs("1")], "initContainers": [needs("3"), needs("2")]}, 3000),
        ({"containers": [needs("1")], "initContainers": [needs("2", **SIDECAR)]}, 3000),
        ({"containers": [needs("1")], "initContainers": [needs("2", **SIDECAR), needs("5")]}, 7000),
        ({"containers": [needs("1")], "initContainers": [needs("5"), needs("2", **SIDECAR)]}, 5000),
        ({"containers": [needs("1")], "overhead": {"cpu": "100m"}}, 1100),
        ({"containers": [{"resources": {"limits": {"cpu": "2"}}}]}, 2000),  # a limit alone is a request, too
        ({"containers": [needs("0.1m")]}, 1),
        ({"containers": [{}]}, 0),
    ],
)
def test_cpu_in_thousandths(spec: dict[str, Any], cpu: int) -> None:
    assert pod_requests(spec).get("cpu", 0) == cpu


def test_other_resources_are_counted_as_they_are() -> None:
    spec = {"containers": [{"resources": {"requests": {"memory": "1Gi", "example.org/gpu": "2"}}}] * 2}
    assert pod_requests(spec) == {"memory": 2 << 30, "example.org/gpu": 4}


def test_what_is_no_quantity_is_an_error() -> None:
    with pytest.raises(ValueError, match="quantity"):
        pod_requests({"containers": [needs("much")]})
