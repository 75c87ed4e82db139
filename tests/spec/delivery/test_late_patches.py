"""Late patches, row by row: not RFC 6902."""

from copy import deepcopy
from typing import Any, Literal

import pytest

from atoll.api.manner import LatePatch
from atoll.deliver.latepatches import LatePatchError, patched

Op = Literal["add", "remove", "replace"]
BODY: dict[str, Any] = {"metadata": {"name": "x"}, "spec": {"n": None, "l": [1, 2, 3], "s": "text"}, "a/b": {"~": 1}}


def after(op: Op, path: str, value: Any = None) -> Any:
    before = deepcopy(BODY)
    try:
        return patched(BODY, [LatePatch(op, path, value)])
    finally:
        assert before == BODY


def spec(**fields: Any) -> dict[str, Any]:
    return {**BODY, "spec": {**BODY["spec"], **fields}}


@pytest.mark.parametrize(
    ("op", "path", "value", "expected"),
    [
        # a leaf that is missing in an object that is there: replace acts as add
        ("replace", "/spec/replicas", 3, spec(replicas=3)),
        ("add", "/spec/replicas", 3, spec(replicas=3)),
        ("replace", "/metadata/labels", {"a": "b"}, {**BODY, "metadata": {"name": "x", "labels": {"a": "b"}}}),
        ("replace", "/data", {"k": "v"}, {**BODY, "data": {"k": "v"}}),
        # add to what is there replaces it
        ("add", "/spec/s", "new", spec(s="new")),
        # without a value: null
        ("add", "/spec/new", None, spec(new=None)),
        ("replace", "/spec/s", None, spec(s=None)),
        # remove
        ("remove", "/data/x", None, None),
        ("remove", "/spec/n", None, {**BODY, "spec": {"l": [1, 2, 3], "s": "text"}}),
        # a parent that is missing, null, or no container
        ("add", "/metadata/annotations/foo", "bar", None),
        ("replace", "/metadata/annotations/foo", "bar", None),
        ("remove", "/metadata/annotations/foo", None, None),
        ("add", "/spec/n/x", 1, None),
        ("add", "/spec/s/x", 1, None),
        # arrays
        ("add", "/spec/l/-", 4, spec(l=[1, 2, 3, 4])),
        ("add", "/spec/l/3", 4, spec(l=[1, 2, 3, 4])),
        ("add", "/spec/l/0", 0, spec(l=[0, 1, 2, 3])),
        ("add", "/spec/l/-1", 4, spec(l=[1, 2, 3, 4])),
        ("add", "/spec/l/-4", 0, spec(l=[0, 1, 2, 3])),
        ("add", "/spec/l/-5", 0, None),
        ("add", "/spec/l/4", 5, None),
        ("add", "/spec/l/x", 5, None),
        ("replace", "/spec/l/-1", 9, spec(l=[1, 2, 9])),
        ("remove", "/spec/l/-1", None, spec(l=[1, 2])),
        ("replace", "/spec/l/1", 9, spec(l=[1, 9, 3])),
        ("remove", "/spec/l/0", None, spec(l=[2, 3])),
        ("replace", "/spec/l/3", 9, None),
        ("remove", "/spec/l/3", None, None),
        ("replace", "/spec/l/-", 9, None),
        ("remove", "/spec/l/-", None, None),
        ("add", "/spec/l/1/x", 9, None),
        # the whole object
        ("replace", "", {"kind": "Other"}, {"kind": "Other"}),
        ("replace", "", [1], None),
        ("replace", "", "text", None),
        ("add", "", {}, None),
        ("remove", "", None, None),
        # a path without a slash at its beginning
        ("replace", "spec/t", 1, None),
        ("replace", "spec", 1, None),
        # escapes
        ("replace", "/a~1b/~0", 2, {**BODY, "a/b": {"~": 2}}),
        ("add", "/spec/", 1, spec(**{"": 1})),
    ],
)
def test_row_by_row(op: Op, path: str, value: Any, expected: Any) -> None:
    if expected is None:
        with pytest.raises(LatePatchError):
            after(op, path, value)
    else:
        assert after(op, path, value) == expected


def test_one_after_the_other_and_all_or_nothing() -> None:
    first = LatePatch("add", "/spec/m", {}, "spec.overrides[0]")
    assert patched(BODY, [first, LatePatch("add", "/spec/m/x", 1)])["spec"]["m"] == {"x": 1}
    with pytest.raises(LatePatchError, match=r"^spec\.overrides\[1\]: remove /spec/y: there is nothing to remove$"):
        patched(BODY, [first, LatePatch("remove", "/spec/y", field="spec.overrides[1]")])
