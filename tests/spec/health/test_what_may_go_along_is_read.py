"""What `failover.carry` names is read from live objects: a text as it is, anything else as JSON, never a Secret's."""

from typing import Any

import pytest

from atoll.api.differences import Target
from atoll.api.failover import Carry
from atoll.api.objects import ObjectId
from atoll.observe.carrying import Cargo, value_at

BODY = {
    "apiVersion": "flink.apache.org/v1beta1",
    "kind": "FlinkDeployment",
    "status": {
        "job": {"savepoint": "s3://b/1"},
        "a/b": 7,
        "on": True,
        "list": [{"x": "y"}],
        "no": None,
        "deep": {"k": 1},
    },
}
JOB = ObjectId("flink.apache.org", "FlinkDeployment", "shop", "count")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/status/job/savepoint", "s3://b/1"),
        ("/status/a~1b", "7"),
        ("/status/on", "true"),
        ("/status/list/0/x", "y"),
        ("/status/deep", '{"k":1}'),
        ("/status/list/1/x", ""),
        ("/status/list/x", ""),
        ("/status/list/-", ""),  # where the next one would be
        ("/status/no", ""),
        ("/status/job/savepoint/deeper", ""),
        ("/spec", ""),
    ],
)
def test_a_pointer_finds_a_value_or_nothing(path: str, value: str) -> None:
    assert value_at(BODY, path) == value


@pytest.mark.parametrize("value", ["x" * 513, "two\nlines", "\x1b[31mred", " blank "])
def test_what_is_too_much_or_no_plain_line_is_nothing(value: str) -> None:
    assert value_at({"status": value}, "/status") == ""


def carried(kind: str = "", **target: Any) -> Cargo:
    return Cargo((Carry(Target(kind=kind, **target), "/status/v", as_="env", name="V"),))


def test_what_is_gone_for_a_while_is_known_as_it_was() -> None:
    cargo = carried("FlinkDeployment")
    cargo.look(JOB, {"status": {"v": "1"}})
    cargo.look(JOB, {"status": {}})
    assert cargo.values() == {"V": "1"}
    cargo.drop([JOB])
    assert cargo.values() == {}


def test_of_several_the_first_one_counts() -> None:
    cargo = carried("FlinkDeployment")
    for name in ("b", "a"):
        cargo.look(JOB._replace(name=name), {"status": {"v": name}})
    assert cargo.values() == {"V": "a"}


def test_a_secret_is_not_read() -> None:
    cargo = carried(name="key")
    cargo.look(ObjectId("", "Secret", "shop", "key"), {"apiVersion": "v1", "kind": "Secret", "status": {"v": "1"}})
    assert cargo.values() == {}
