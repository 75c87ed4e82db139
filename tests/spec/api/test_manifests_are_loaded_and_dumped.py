"""Text to objects and back."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atoll.api.manifests import dump, load
from atoll.api.yamltext import YamlError

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}


def test_lists_are_taken_apart() -> None:
    text = dump(
        [{"apiVersion": "v1", "kind": "List", "items": [POD, {"apiVersion": "v1", "kind": "PodList", "items": [POD]}]}]
    )
    assert load(text) == [POD, POD]


def test_items_of_a_kinds_list_get_their_kind() -> None:
    text = dump([{"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "a"}}]}])
    assert load(text) == [POD]


def test_a_kind_that_only_ends_in_list_stays() -> None:
    allow_list = {"apiVersion": "example.org/v1", "kind": "AllowList", "metadata": {"name": "a"}}
    assert load(dump([allow_list])) == [allow_list]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "document 1 is no object, but a list"),
        ("a: 1\n---\nhello\n", "document 2 is no object, but a string"),
        ("kind: List\nitems: [1]\n", "document 1, items[0] is no object, but a number"),
    ],
)
def test_what_is_no_object(text: str, message: str) -> None:
    with pytest.raises(YamlError) as refused:
        load(text)
    assert str(refused.value) == message


def test_a_dump_reads_well() -> None:
    body = {
        "kind": "ConfigMap",
        "data": {"on": "off", "port": "0777", "script": "a: 1\nb\n", "plain": "text", "list": ["1"]},
    }
    assert dump([body, {"b": None}]) == (
        "kind: ConfigMap\ndata:\n  'on': 'off'\n  port: '0777'\n  script: |\n    a: 1\n    b\n"
        "  plain: text\n  list:\n  - '1'\n---\nb: null\n"
    )


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer())
    | st.text()
    | st.sampled_from(
        [
            "yes",
            "n",
            "0777",
            "1e3",
            "~",
            "<<",
            "=",
            "2001-01-01",
            "1:30",
            " x ",
            "- a",
            "#",
            "a: b",
            "\n",
            "a\n b",
            "\ta\n",
        ]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.dictionaries(st.text(), json_values, min_size=1, max_size=4), max_size=3))
def test_what_is_dumped_is_loaded(objects: list[dict[str, Any]]) -> None:
    objects = [{**body, "kind": "x"} for body in objects]
    assert load(dump(objects)) == objects
