"""`validate()` judges whatever JSON it is given."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from atoll.api.application import Application
from atoll.api.validate import validate
from tests.spec.api.shop import APPLICATION

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ["apiVersion", "kind", "metadata", "spec", "status", "items", "data", "secrets"]
objects = st.dictionaries(st.sampled_from(FIELDS), anything)
pods = st.fixed_dictionaries(
    {
        "apiVersion": st.sampled_from(["v1", "apps/v1"]),
        "kind": st.sampled_from(["Pod", "Deployment", "Service", "CustomResourceDefinition"]),
        "metadata": st.fixed_dictionaries({"name": anything, "labels": anything, "annotations": anything}),
        "spec": st.dictionaries(
            st.sampled_from(["containers", "volumes", "ports", "template", "names", "replicas"]), anything
        ),
    }
)


@settings(max_examples=200, deadline=None)
@given(st.lists(objects | pods, max_size=3))
def test_any_manifests(manifests: list[Any]) -> None:
    body = {**APPLICATION, "spec": {**APPLICATION["spec"], "manifests": manifests}}
    assert validate(body) is not None


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([field.encode_name for field in msgspec.structs.fields(Application)]), anything))
def test_any_body(body: dict[str, Any]) -> None:
    assert validate(body)


def test_a_struct_is_judged_as_its_json() -> None:
    assert validate(msgspec.convert(APPLICATION, Application)) == validate(APPLICATION) == ()
