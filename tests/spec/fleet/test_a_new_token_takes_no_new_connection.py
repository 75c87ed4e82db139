"""Rotation gives a connected cluster its new token; whatever else changes takes a new connection."""

import msgspec
import pytest

from atoll.fleet import credentials
from atoll.fleet.identity import HubIdentity
from atoll.fleet.link import Link, Target
from atoll.fleet.member import Member
from atoll.kube.client import Client
from atoll.kube.config import Config
from atoll.kube.errors import ConfigError
from atoll.kube.objects import of_body
from atoll.runtime.watchset import WatchSet

OLD = Config(server="https://one.example:6443", ca=b"ca", token="old", source="Secret atoll-system/one")
NEW = msgspec.structs.replace(OLD, token="new")


def target(config: Config, uid: str = "", namespaces: tuple[str, ...] = ()) -> Target:
    return Target("one", config, credentials.fingerprint(config), uid, namespaces)


def link(*, engaged: bool = True, uid: str = "u") -> Link:
    made = Link(target(OLD, uid), HubIdentity("hub"), (), lambda _: None, lambda name, _: name)
    if engaged:
        client = Client(OLD)
        made.member = Member("one", "u", "v1", client, HubIdentity("hub"), WatchSet(client, "", lambda _: None))
    return made


def test_a_new_token_goes_to_the_connection_that_is_there() -> None:
    one = link()
    assert one.renew(target(NEW, "u"))
    assert one.member is not None
    assert one.member.client.config.token == one.target.config.token == "new"


@pytest.mark.parametrize(
    "other",
    [
        target(msgspec.structs.replace(NEW, server="https://two.example:6443"), "u"),
        target(msgspec.structs.replace(NEW, ca=b"another"), "u"),
        target(NEW, "u", ("a",)),
        target(NEW, "another"),
    ],
)
def test_another_place_other_rights_and_another_identity_take_a_new_one(other: Target) -> None:
    one = link()
    assert not one.renew(other)
    assert one.member is not None
    assert one.member.client.config is OLD


def test_a_cluster_that_is_not_connected_is_tried_anew_at_once() -> None:
    assert not link(engaged=False).renew(target(NEW, "u"))
    assert link(engaged=False).renew(target(OLD, "u"))


def test_the_identity_that_first_contact_found_changes_nothing() -> None:
    assert link(uid="").renew(target(NEW, "u"))


@pytest.mark.parametrize(("text", "namespaces"), [("", ()), ("admin", ()), ("namespaces=a,b", ("a", "b"))])
@pytest.mark.parametrize("managed", [True, False])
def test_rights_stand_in_the_secret(text: str, namespaces: tuple[str, ...], *, managed: bool) -> None:
    assert read(text, managed=managed).namespaces == namespaces


def test_rights_that_nobody_understands_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"annotation atoll.dev/rights: rights are `admin` or `namespaces=a,b`"):
        _ = read("everything", managed=False).namespaces


def read(rights: str, *, managed: bool) -> credentials.Credential:
    labels = {credentials.LABEL_MANAGED: "true"} if managed else {}
    metadata = {"name": "one", "labels": labels, "annotations": {credentials.ANNOTATION_RIGHTS: rights}}
    return credentials.read(of_body({"apiVersion": "v1", "kind": "Secret", "metadata": metadata}))
