"""Whether objects stay when their Application goes is said by the one that goes, not by what was read of it before."""

from typing import Any, cast

import msgspec
import pytest

from atoll.api.application import Application
from atoll.api.objects import Json, Key
from atoll.hub.applications import ApplicationFront
from atoll.hub.dossier import Dossiers
from atoll.hub.intents import Intents
from atoll.kube.objects import Object, of_body

NOTHING = cast("Any", None)


def application(version: int, **more: Any) -> Object:
    spec: Json = {"placement": {"all": True}, **more.pop("spec", {})}
    metadata = {"name": "shop", "namespace": "demo", "uid": "u1", "resourceVersion": str(version), **more}
    return of_body({"apiVersion": "atoll.dev/v1alpha1", "kind": "Application", "metadata": metadata, "spec": spec})


@pytest.mark.parametrize(
    ("read", "goes", "default", "orphan"),
    [
        ({}, {"deletion": "orphan"}, {}, True),  # changed and deleted before anybody looked
        ({"deletion": "orphan"}, {}, {}, False),
        ({}, {}, {"deletion": "orphan"}, True),
        ({}, {"deletion": "delete"}, {"deletion": "orphan"}, False),
    ],
)
def test_objects_stay_as_it_says_when_it_goes(read: Json, goes: Json, default: Json, orphan: bool) -> None:
    def with_defaults(body: Json, _: str) -> Json:
        return body | {"spec": default | body["spec"]}

    intents = Intents(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, with_defaults)
    dossiers = Dossiers()
    front = ApplicationFront(NOTHING, dossiers, set(), lambda _: None, intents, NOTHING)
    before = application(1, spec=read)
    dossier = dossiers.open(Key("demo", "shop"), before, front)
    dossier.app = msgspec.convert(before.body(), Application)
    dossier.saw(application(2, spec=goes, deletionTimestamp="2026-01-01T00:00:00Z"))
    assert front.parting(dossier, "eu", ending=True).orphan is orphan


def test_it_is_asked_again_when_a_default_changes() -> None:
    default: Json = {}
    intents = Intents(
        *(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING),
        with_defaults=lambda body, _: body | {"spec": default | body["spec"]},
        defaults_versions=lambda _: tuple(default.items()),
    )
    dossiers = Dossiers()
    front = ApplicationFront(NOTHING, dossiers, set(), lambda _: None, intents, NOTHING)
    dossier = dossiers.open(Key("demo", "shop"), application(1), front)
    assert not front.parting(dossier, "eu", ending=False).orphan
    assert not front.parting(dossier, "us", ending=False).orphan
    default["deletion"] = "orphan"
    assert front.parting(dossier, "asia", ending=False).orphan
