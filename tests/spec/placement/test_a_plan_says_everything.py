"""The plan holds what each cluster gets, with the Application's wishes for how."""

import pytest

from atoll.api.application import Retain
from atoll.api.differences import Target
from atoll.api.objects import ObjectId
from atoll.plan.planner import plan
from atoll.plan.render import NotRenderedError, render, render_all
from atoll.testing.worlds import SHOP, cluster, config, deployment, fleet, intent


def test_a_delivery_carries_the_wishes_of_the_application() -> None:
    retain = (Retain(Target(kind="Deployment"), "/spec/replicas"),)
    app = intent(adopt=True, suspend=True, allow_empty=True, recreate=True, retain=retain)
    delivery = plan(app, fleet("a")).deliveries["a"]
    assert (delivery.key, delivery.uid, delivery.cluster, delivery.revision) == (SHOP, app.uid, "a", app.revision)
    assert delivery.adopt
    assert delivery.suspend
    assert delivery.allow_empty
    assert delivery.recreate
    assert delivery.retain == retain


def test_what_differs_nowhere_is_the_very_same_object_everywhere() -> None:
    web, settings = deployment(), config()
    deliveries = plan(intent(web, settings), fleet("a", "b")).deliveries
    assert deliveries["a"].objects is deliveries["b"].objects
    assert deliveries["a"].objects[0] is web


def test_nothing_to_deliver_is_refused_unless_that_is_meant() -> None:
    empty = intent().__class__(SHOP, "u", intent().revision, (), intent().placement)
    planned = plan(empty, fleet("a", previous={"a": 1}))
    assert planned.deliveries == {}
    assert (
        planned.refusals["a"].message
        == "no object is left: all would be deleted; allowEmpty: true says that this is meant"
    )


def test_nothing_to_deliver_is_delivered_when_that_is_meant() -> None:
    meant = intent().__class__(SHOP, "u", intent().revision, (), intent().placement, allow_empty=True)
    assert plan(meant, fleet("a")).deliveries["a"].objects == ()


def test_templates_are_protected_on_the_hub_itself_only() -> None:
    web = ObjectId("apps", "Deployment", "demo", "web")
    app = intent(templates=frozenset({web}))
    deliveries = plan(app, fleet(cluster("host"), cluster("a"), hub="uid-of-host")).deliveries
    assert deliveries["host"].protected == {web}
    assert deliveries["a"].protected == frozenset()


def test_without_knowing_the_hub_no_cluster_is_taken_for_it() -> None:
    nameless = cluster("a").__class__("a", uid="")
    app = intent(templates=frozenset({ObjectId("apps", "Deployment", "demo", "web")}))
    assert plan(app, fleet(nameless)).deliveries["a"].protected == frozenset()


def test_a_plan_renders_as_documents() -> None:
    planned = plan(intent(deployment(), config(mode="x")), fleet("a", "b"))
    assert [doc["kind"] for doc in render(planned, "a")] == ["Deployment", "ConfigMap"]
    assert render_all(planned).keys() == {"a", "b"}


@pytest.mark.parametrize(("name", "text"), [("b", "b: cordoned"), ("moon", "moon: no such cluster")])
def test_a_cluster_that_gets_nothing_renders_as_the_reason(name: str, text: str) -> None:
    planned = plan(intent(), fleet("a", cluster("b", cordoned=True)))
    with pytest.raises(NotRenderedError, match=text):
        render(planned, name)
