"""A manifest at rest is kept as text, and is the same manifest for everybody."""

import msgspec

from atoll.api.objects import Json, Manifest, manifest

BODY: Json = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "annotations": {"note": "Ä"}},
    "spec": {"replicas": 3, "unknown": [1.5, None, {"b": 1, "a": 2}]},
}


def resting() -> Manifest:
    made = manifest(msgspec.convert(BODY, dict))
    made.rest()
    return made


def test_it_says_the_same() -> None:
    at_rest, awake = resting(), manifest(BODY)
    assert isinstance(at_rest.content, msgspec.Raw)
    assert (at_rest.body, at_rest.id, at_rest.api_version) == (BODY, awake.id, "apps/v1")
    assert at_rest.annotations == {"note": "Ä"}
    at_rest.rest()
    assert at_rest.body == BODY


def test_it_is_equal_to_one_that_is_not() -> None:
    assert resting() == manifest(BODY)
    assert manifest(BODY) == resting()
    assert (resting(),) == (manifest(BODY),)
    assert resting() != manifest(BODY | {"spec": {}})
    assert resting() != BODY


def test_it_is_encoded_as_one_that_is_not() -> None:
    encode = msgspec.json.Encoder(order="deterministic").encode
    assert encode(resting()) == encode(manifest(BODY))
    assert msgspec.json.decode(encode(resting()), type=Manifest) == manifest(BODY)
