"""Hashes of version records, byte for byte as Go makes them."""

import hashlib
from typing import Any

import pytest

from atoll.intake.kubefed.versions import go_json, overrides_hash, template_hash

TEMPLATE = {"spec": {"z": "<a>&", "b": [1, 2.5, True, None], "é": "ü\u2028"}, "data": {"foo": "bar"}}
OVERRIDES = [
    {
        "clusterName": "c1",
        "clusterOverrides": [
            {"path": "/data", "value": {"foo": "baz"}},
            {"op": "remove", "path": "/x"},
            {"path": "/spec/replicas", "value": 2},
            {"path": "/n", "value": 10**21},
            {"path": "/m", "value": 1e-7},
        ],
    }
]


def test_golden_vectors() -> None:
    assert template_hash({"template": TEMPLATE}) == "ffd2ad89429a23a64e30a0869a830a01"
    assert overrides_hash({"template": TEMPLATE}) == "2979b7538b527abe06492021841caf47"
    assert overrides_hash({"overrides": OVERRIDES}) == "b38a66ac252b8f6600b1af6ea548bfc8"


def test_nothing_has_no_hash() -> None:
    assert template_hash(None) == template_hash({}) == overrides_hash(None) == ""


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (-2.5, "-2.5"),
        (100.0, "100"),
        (123456789012345680.0, "123456789012345680"),
        (2.0**60, "1152921504606847000"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (-1.5e21, "-1.5e+21"),
        (1e-6, "0.000001"),
        (9.99e-7, "9.99e-7"),
        (1.25e-10, "1.25e-10"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (2**63 - 1, "9223372036854775807"),
        (2**63, "9223372036854776000"),
    ],
)
def test_numbers_of_templates(number: float, text: str) -> None:
    assert go_json(number) == text


def test_numbers_of_overrides_are_floats() -> None:
    assert go_json([1, 9007199254740993, 10**21], floats=True) == "[1,9007199254740992,1e+21]"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("<a href='&'>", "\\u003ca href='\\u0026'\\u003e"),
        ('"\\/', '\\"\\\\/'),
        ("\n\r\t\b\f\x00\x7f", "\\n\\r\\t\\u0008\\u000c\\u0000\x7f"),
        ("\u2027\u2028\u2029\u202a", "\u2027\\u2028\\u2029\u202a"),
        ("ü😀", "ü😀"),
        ("\ud800", "\\ufffd"),
    ],
)
def test_text(text: str, written: str) -> None:
    assert go_json(text) == f'"{written}"'


def test_keys_are_sorted_by_their_bytes() -> None:
    assert go_json({"b": 1, "B": 2, "é": 3, "": 4, "\U00010000": 5, "\uffee": 6}) == (
        '{"":4,"B":2,"b":1,"é":3,"\uffee":6,"\U00010000":5}'
    )


@pytest.mark.parametrize(
    ("overrides", "written"),
    [
        ([], "[]"),
        ([{"clusterName": "c"}], '[{"clusterName":"c"}]'),
        ([{"clusterOverrides": []}], '[{"clusterName":""}]'),
        ([{"clusterName": "c", "clusterOverrides": [{}]}], '[{"clusterName":"c","clusterOverrides":[{"path":""}]}]'),
        (
            [{"clusterOverrides": [{"value": False, "path": "/a", "op": "add", "more": 1}], "clusterName": "c"}],
            '[{"clusterName":"c","clusterOverrides":[{"op":"add","path":"/a","value":false}]}]',
        ),
        (
            [{"clusterName": "c", "clusterOverrides": [{"op": "", "path": "/a", "value": None}]}],
            '[{"clusterName":"c","clusterOverrides":[{"path":"/a"}]}]',
        ),
    ],
)
def test_overrides_pass_through_structs(overrides: Any, written: str) -> None:
    expected = hashlib.md5(f'{{"overrides":{written}}}\n'.encode(), usedforsecurity=False).hexdigest()
    assert overrides_hash({"overrides": overrides}) == expected
