"""What Federation v1's front end makes of live objects."""

import json
from typing import Any

import msgspec

from atoll.api.names import FINALIZER
from atoll.api.objects import Json
from atoll.hub.dossier import Dossiers
from atoll.hub.federation_v1.front import FederationV1Front, JobSaid, Namespaces, Said, said, written
from atoll.intake.federation_v1 import ANNOTATION_STATUS, JobShare
from atoll.kube.objects import Object, decode_object
from atoll.kube.resources import DEPLOYMENTS, JOBS
from atoll.plan.model import ClusterFacts

WISH = "federation.kubernetes.io/job-preferences"
FLEET = {name: ClusterFacts(name, uid=name) for name in ("eu", "us")}


class Silent:
    def touch(self, key: Any) -> None: ...

    def forget(self, uid: str) -> None: ...


def front(resource: Any = JOBS, fleet: dict[str, ClusterFacts] = FLEET, *, opted: bool = True) -> FederationV1Front:
    return FederationV1Front(
        Namespaces(resource), Dossiers(), set(), lambda _: None, Silent(), lambda _: opted, lambda: fleet
    )


def live(kind: str, spec: Json, /, status: Json | None = None, **metadata: Any) -> Object:
    body = {
        "apiVersion": "batch/v1" if kind == "Job" else "apps/v1",
        "kind": kind,
        "metadata": {"name": "sums", "namespace": "shop", "uid": "u1", "resourceVersion": "5", **metadata},
        "spec": spec,
        "status": status or {},
    }
    return decode_object(msgspec.json.encode(body))


def job(parallelism: int, notes: dict[str, str] | None = None) -> Object:
    return live("Job", {"parallelism": parallelism, "completions": 8}, annotations={WISH: "{}", **(notes or {})})


async def clusters(one: FederationV1Front, found: Object) -> dict[str, int]:
    intent = (await one.read(found)).intent
    assert intent is not None
    return {name: d.patches[0].value for d in intent.differences for name in d.clusters}


async def test_a_job_stays_divided_as_it_was_first() -> None:
    one = front()
    assert await clusters(one, job(4)) == {"eu": 2, "us": 2}
    more = FLEET | {"ap": ClusterFacts("ap", uid="ap")}
    division = one.job("u1")
    assert division is not None
    after_restart = front(fleet=more)
    note = msgspec.json.encode(Said(job=division)).decode()
    assert await clusters(after_restart, job(4, {ANNOTATION_STATUS: note})) == {"eu": 2, "us": 2}
    assert set(await clusters(after_restart, job(6, {ANNOTATION_STATUS: note}))) == {"eu", "us", "ap"}, (
        "it asks for more"
    )


async def test_a_job_that_had_nowhere_to_go_is_divided_when_it_has() -> None:
    fleet: dict[str, ClusterFacts] = {}
    one = front(fleet=fleet)
    assert await clusters(one, job(4)) == {}
    fleet["eu"] = FLEET["eu"]
    assert await clusters(one, job(4)) == {"eu": 4}


async def test_what_stands_on_an_object_says_where_it_is() -> None:
    note = {"clusters": {"us": {"state": "Applied", "replicas": 3}, "eu": {"state": "Pending"}}}
    found = live("Deployment", {}, annotations={ANNOTATION_STATUS: json.dumps(note)})
    assert [(p.cluster, p.replicas) for p in written(found).placement] == [("eu", None), ("us", 3)]
    assert said(live("Deployment", {}, annotations={ANNOTATION_STATUS: "not JSON"})) == Said()
    assert JobSaid("x", {"eu": JobShare(1)}).shares["eu"].completions is None


def test_only_what_somebody_wants_wakes() -> None:
    one = front(DEPLOYMENTS)
    before = live("Deployment", {"replicas": 1}, annotations={"a": "1"}, generation=1)
    told = live(
        "Deployment", {"replicas": 1}, {"replicas": 1}, annotations={"a": "1", ANNOTATION_STATUS: "{}"}, generation=2
    )
    assert one.same(before, told), "what we write on it makes its generation grow"
    assert not one.same(before, live("Deployment", {"replicas": 2}, annotations={"a": "1"}))
    assert not one.same(before, live("Deployment", {"replicas": 1}, annotations={"a": "2"}))
    assert not one.same(before, live("Deployment", {"replicas": 1}, annotations={"a": "1"}, finalizers=[FINALIZER]))


async def test_a_namespace_that_opts_out_leaves_members_what_they_have() -> None:
    one, held = front(opted=False), job(4, {})
    intent = (await one.read(held)).intent
    assert intent is not None and intent.allow_empty and intent.placement.where == "false"
    dossier = Dossiers().open(one.key(held.id), held, one)
    assert one.parting(dossier, "eu", ending=False).orphan
    assert not front().parting(dossier, "eu", ending=False).orphan
