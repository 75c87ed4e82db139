"""The digest says whether the user wants something else than before."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from atoll.api.differences import Difference
from atoll.api.intent import Revision
from atoll.api.objects import Key, manifest
from atoll.api.placement import Placement
from atoll.api.replicas import Replicas
from atoll.intake.native import intent_digest
from atoll.testing.worlds import body, deployment, intent

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reordered(inner) for key, inner in reversed(value.items())}
    return [reordered(inner) for inner in value] if isinstance(value, list) else value


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=4), JSON, max_size=4))
def test_the_order_of_keys_says_nothing(spec: dict[str, Any]) -> None:
    one, other = (manifest(body("example.org/v1", "Thing", "x", spec=s)) for s in (spec, reordered(spec)))
    assert intent_digest(intent(one)) == intent_digest(intent(other))


def test_the_order_of_weights_says_nothing() -> None:
    one, other = Replicas(total=3, weights={"a": 1, "b": 2}), Replicas(total=3, weights={"b": 2, "a": 1})
    assert intent_digest(intent(replicas=one)) == intent_digest(intent(replicas=other))


def test_it_is_short_enough_for_the_status() -> None:
    assert len(intent_digest(intent())) == 64


def test_neither_the_application_nor_its_revision_is_content() -> None:
    app = intent()
    other = msgspec.structs.replace(app, key=Key("x", "y"), uid="z", revision=Revision(9, "z", 9))
    assert intent_digest(app) == intent_digest(other)


def test_everything_that_a_user_says_is_content() -> None:
    said = [
        intent(),
        intent(deployment(replicas=2)),
        intent(placement=Placement(clusters=("a",))),
        intent(replicas=Replicas(each=2)),
        intent(differences=(Difference(all=True, labels={"a": "b"}),)),
        intent(differences=(Difference(all=True, env={"web": {"A": None}}),)),
        intent(differences=(Difference(all=True, env={"web": {"A": ""}}),)),
        intent(adopt=True),
        intent(orphan=True),
        intent(suspend=True),
        intent(recreate=True),
        intent(allow_empty=True),
    ]
    assert len({intent_digest(app) for app in said}) == len(said)
