"""A manifest may be of any form: what is no object of its kind is refused there, or left to the API server."""

from typing import Any

import pytest

from atoll.api.differences import Difference
from atoll.api.intent import Content, Intent
from atoll.api.objects import Json, Manifest, identify, manifest
from atoll.api.replicas import Replicas
from atoll.api.rooms import Room
from atoll.hub.intents import kinds_of
from atoll.intake.serverset import cleaned
from atoll.plan.model import Plan
from atoll.plan.planner import plan
from atoll.plan.stages import quiet
from atoll.testing.worlds import body, cluster, deployment, everywhere, fleet, intent

ODD: tuple[Any, ...] = (None, 7, "x", ["x"], [["x"]], {"x": "y"}, [{"x": None}], 1e300, "1e999")
WORLD = fleet(cluster("a", rooms=(Room({"cpu": 4000}, 110),)))
BY_ROOM = Replicas(total=3, divide="capacity")


def planned(*manifests: Manifest, differences: tuple[Difference, ...] = ()) -> Plan:
    app: Intent = intent(*manifests, replicas=BY_ROOM, differences=differences)
    return plan(app, WORLD)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("field", ["tolerations", "nodeSelector", "overhead", "initContainers"])
def test_pods_of_any_form_have_room_or_have_not(field: str, odd: Any) -> None:
    assert planned(deployment(**{field: odd})).deliveries.keys() <= {"a"}


@pytest.mark.parametrize("odd", ODD)
def test_variables_of_any_form_refuse_a_difference_and_say_which(odd: Any) -> None:
    web = deployment("web", {"name": "app", "image": "shop:1", "env": odd})
    found = planned(web, differences=(everywhere(env={"web": {"A": "1"}}),))
    assert found.deliveries or found.refusals["a"].path == "spec.differences[0]"


@pytest.mark.parametrize("odd", ODD)
def test_a_spec_of_any_form_is_compared_and_planned(odd: Any) -> None:
    for kind in ("CustomResourceDefinition", "Deployment", "Job"):
        one = manifest(body("apps/v1", kind, "x", spec=odd))
        assert planned(one).verdicts
        assert not quiet([Content("old", (one,))], Content("new", (deployment(),)))
        template: Json = body("apps/v1", "Deployment", "x", spec={"template": {"metadata": odd}})
        assert cleaned(template)["kind"] == "Deployment"


@pytest.mark.parametrize("odd", ODD)
def test_metadata_of_any_form_name_nothing(odd: Any) -> None:
    odd_one: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": odd}
    assert identify(odd_one).name == ""
    assert kinds_of({"spec": {"manifests": [odd_one]}})
