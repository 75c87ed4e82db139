"""Former contents: which numbers stand for them, and how they are written down and read back."""

import base64
import gzip
from typing import Any

import msgspec
import pytest

from atoll.api.differences import Difference
from atoll.api.intent import Content, Former
from atoll.api.objects import ObjectId
from atoll.api.rollout import RolloutStatus
from atoll.api.status import ApplicationStatus
from atoll.hub.history import MOST_BYTES, History, TooLargeError, listed, read, secret
from atoll.hub.revisions import Revisions
from atoll.kube.client import Client
from atoll.kube.objects import Object, decode_object
from atoll.kube.resources import NAMESPACES
from atoll.testing.fakeapi import FakeApi, Refuse, Rule
from atoll.testing.worlds import SHOP, config, container, deployment, intent


def live(body: dict[str, Any]) -> Object:
    created = {"metadata": body["metadata"] | {"creationTimestamp": "2026-11-24T12:00:00Z", "uid": "u"}}
    return decode_object(msgspec.json.encode(body | created))


CONTENT = Content(
    "digest",
    (deployment(), config(a="1")),
    (Difference(clusters=("a",), env={"web": {"X": None}}),),
    frozenset({ObjectId("", "ConfigMap", "demo", "settings")}),
)


def test_what_is_written_is_read_back() -> None:
    body = secret(SHOP, "uid", 12, Former(CONTENT, 15))
    assert body["metadata"]["name"] == "shop.r12"
    assert body["metadata"]["ownerReferences"][0]["uid"] == "uid"
    kept = read(live(body))
    assert kept is not None
    assert (kept.revision, kept.former, kept.superseded) == (12, Former(CONTENT, 15), "2026-11-24T12:00:00Z")


@pytest.mark.parametrize(
    "spoilt",
    [
        {"type": "Opaque"},
        {"data": {}},
        {"data": {"content": "no base64"}},
        {"data": {"content": base64.b64encode(b"no gzip").decode()}},
        {"data": {"content": base64.b64encode(gzip.compress(b"no json")).decode()}},
    ],
)
def test_what_is_none_is_passed_over(spoilt: dict[str, Any]) -> None:
    assert read(live(secret(SHOP, "uid", 12, Former(CONTENT, 15)) | spoilt)) is None


def test_what_is_too_large_for_a_secret_is_not_written() -> None:
    noise = "".join(f"{hash((n, 'x')):x}" for n in range(MOST_BYTES // 6))
    with pytest.raises(TooLargeError, match="too large to be kept"):
        secret(SHOP, "uid", 12, Former(Content("d", (config(noise=noise),)), 12))


def test_a_new_content_begins_with_the_number_of_its_intent() -> None:
    revisions = Revisions()
    revisions.revise(intent(deployment()), 7)
    assert (revisions.sequence, revisions.target, revisions.before) == (7, 7, 0)
    revisions.revise(intent(deployment(), adopt=True), 9)
    assert (revisions.sequence, revisions.target) == (9, 7), "no other content"
    revisions.revise(intent(deployment("web", container(image="shop:2"))), 12)
    assert (revisions.sequence, revisions.target, revisions.before) == (12, 12, 7)
    assert {number: former.last for number, former in revisions.formers.items()} == {7: 9}


def test_of_many_contents_that_supersede_one_another_few_are_remembered() -> None:
    """A cluster has the second and takes nothing more; what is stable is the first."""
    revisions = Revisions()
    for number in range(1, 101):
        revisions.revise(intent(deployment("web", container(image=f"shop:{number}"))), number)
        if number == 2:
            revisions.last = RolloutStatus(revision=2, stable=1, phase="Progressing", stages=())
        revisions.let_go({2})
        assert len(revisions.formers) <= 12
        assert len(revisions.unsaved) <= 12
    assert sorted(revisions.formers) == [1, 2, *range(90, 100)]
    revisions.finished()
    assert sorted(revisions.unsaved) == [1, 2, *range(90, 100)], "these are still to be written down"


def test_a_number_never_goes_back() -> None:
    revisions = Revisions()
    revisions.revise(intent(deployment()), 7)
    revisions.revise(intent(config()), 3)
    assert revisions.sequence == 8


def test_what_a_rollback_was_is_known_when_it_is_superseded() -> None:
    revisions = Revisions()
    good, bad = (intent(deployment("web", container(image=image))) for image in ("shop:good", "shop:bad"))
    revisions.revise(good, 5)
    revisions.revise(bad, 9)
    failed = RolloutStatus(revision=9, stable=5, phase="Failed")
    revisions.turned_back(revisions.turn_back(failed, 14))
    assert revisions.sequence == 14
    revisions.revise(intent(config()), 20)
    assert {number: former.last for number, former in revisions.formers.items()} == {5: 5, 9: 13, 14: 14}
    assert revisions.formers[14].content == revisions.formers[5].content


def test_a_restarted_hub_goes_on_with_what_is_written() -> None:
    before = Revisions()
    before.revise(intent(deployment()), 7)
    written = ApplicationStatus(sequence=7, intent=before.digest, content=before.content_digest)
    after = Revisions()
    after.restore(written, current=True)
    after.revise(intent(deployment()), 99)
    assert (after.sequence, after.target) == (7, 7)
    changed = Revisions()
    changed.restore(written, current=False)
    changed.revise(intent(config()), 99)
    assert (changed.sequence, changed.target, changed.before, changed.formers) == (99, 99, 7, {})


@pytest.mark.parametrize(("code", "reason", "passes"), [(503, "ServiceUnavailable", True), (403, "Forbidden", False)])
async def test_what_could_not_be_kept_is_kept_another_time_if_the_reason_passes(
    code: int, reason: str, *, passes: bool
) -> None:
    async with FakeApi() as api, Client(api.config) as client:
        await client.create(NAMESPACES, {"metadata": {"name": SHOP.namespace}})
        api.faults.rules.append(Rule(Refuse(code, reason), verb="create", plural="secrets"))
        history = History(client)
        history.first("uid")
        trouble = await history.keep(SHOP, "uid", [(5, Former(CONTENT, 6))], ())
        assert trouble is not None
        assert trouble.passes is passes
        api.faults.heal()
        assert await history.keep(SHOP, "uid", [(5, Former(CONTENT, 6))], ()) is None
        assert [kept.revision for kept in await listed(client, SHOP.namespace, "uid")] == [5]
