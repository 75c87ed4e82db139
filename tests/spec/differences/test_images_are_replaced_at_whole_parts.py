"""`differences[].images`: `from` is an image or its beginning, up to the end of a whole part."""

from typing import Any

import pytest

from atoll.api.differences import ImageRule
from atoll.api.editing import found
from atoll.api.objects import Json, manifest
from atoll.plan.images import replaced
from atoll.plan.model import RefusedError
from atoll.plan.planner import plan
from atoll.testing.worlds import body, container, deployment, everywhere, fleet, intent

OLD = "sha256:" + "a" * 64
NEW = "sha256:" + "b" * 64


def rule(**parts: str) -> ImageRule:
    return ImageRule(from_=parts.pop("begins", ""), **parts)


@pytest.mark.parametrize(
    ("text", "begins", "to", "expected"),
    [
        ("gcr.io/shop/web:1", "gcr.io/shop", "docker.io/shop", "docker.io/shop/web:1"),
        ("gcr.io/shop/web:1", "gcr.io/shop/", "docker.io/shop/", "docker.io/shop/web:1"),
        ("gcr.io/shop/web:1", "gcr.io", "mirror.local:5000/gcr", "mirror.local:5000/gcr/shop/web:1"),
        ("gcr.io/shop/web:1", "gcr.io/shop/web", "quay.io/x", "quay.io/x:1"),
        ("gcr.io/shop/web:1", "gcr.io/shop/web:1", "quay.io/x:2", "quay.io/x:2"),
        ("gcr.io/shop/web:1", "gcr.io/shop/web", "quay.io/x:2", "quay.io/x:2"),  # a new tag takes the old one's place
        (f"gcr.io/web@{OLD}", "gcr.io", "quay.io", f"quay.io/web@{OLD}"),
        (f"gcr.io/web:1@{OLD}", "gcr.io/web:1", "gcr.io/web:2", "gcr.io/web:2"),  # the old digest would win
        (f"gcr.io/web:1@{OLD}", "gcr.io/web", f"gcr.io/web@{NEW}", f"gcr.io/web@{NEW}"),
        ("localhost:5000/a:1", "localhost:5000", "gcr.io", "gcr.io/a:1"),
        ("localhost:5000/a:1", "localhost:5000/a", "b", "b:1"),
        # Docker Hub is implied, on either side
        ("nginx:1", "docker.io", "mirror.local", "mirror.local/library/nginx:1"),
        ("nginx:1", "docker.io/library", "mirror.local", "mirror.local/nginx:1"),
        ("nginx:1", "docker.io/library/nginx", "mirror.local/nginx", "mirror.local/nginx:1"),
        ("nginx:1", "docker.io/nginx", "mirror.local/nginx", "mirror.local/nginx:1"),
        ("nginx:1", "library/nginx", "mirror.local/nginx", "mirror.local/nginx:1"),
        ("docker.io/library/nginx:1", "nginx", "mirror.local/nginx", "mirror.local/nginx:1"),
        ("docker.io/shop/web", "shop", "gcr.io/shop", "gcr.io/shop/web"),
        ("shop/web", "docker.io/shop", "gcr.io/shop", "gcr.io/shop/web"),
    ],
)
def test_the_rest_is_kept(text: str, begins: str, to: str, expected: str) -> None:
    assert replaced(text, rule(begins=begins, to=to), "x") == expected


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("gcr.io/shopping/web", "gcr.io/shop"),
        ("gcr.io/shop/web", "gcr"),
        ("gcr.io/shop/web", "shop"),  # another registry's folder
        ("gcr.io/shop/web:1.2", "gcr.io/shop/web:1"),
        ("localhost:5000/a", "localhost"),  # a port belongs to its host
        ("localhost:5000/a", "localhost:50"),
        ("nginxx", "nginx"),
        (f"a@{OLD}", "a@sha256"),
        ("$(IMAGE)", "$(IMAGE)"),
        ("gcr.io/a", "/"),
    ],
)
def test_parts_of_parts_do_not_match(text: str, begins: str) -> None:
    assert replaced(text, rule(begins=begins, to="other"), "x") is None


@pytest.mark.parametrize(
    ("text", "parts", "expected"),
    [
        ("gcr.io/shop/web:1", {"registry": "quay.io"}, "quay.io/shop/web:1"),
        ("nginx:1", {"registry": "mirror.local"}, "mirror.local/library/nginx:1"),
        ("shop/web", {"registry": "localhost:5000"}, "localhost:5000/shop/web"),
        ("gcr.io/shop/web:1", {"repository": "store/front"}, "gcr.io/store/front:1"),
        ("nginx:1", {"repository": "store/front"}, "store/front:1"),
        ("gcr.io/shop/web:1", {"tag": "2"}, "gcr.io/shop/web:2"),
        ("gcr.io/shop/web", {"tag": "2"}, "gcr.io/shop/web:2"),
        (f"gcr.io/shop/web@{OLD}", {"tag": "2"}, "gcr.io/shop/web:2"),
        (f"gcr.io/shop/web:1@{OLD}", {"tag": NEW}, f"gcr.io/shop/web@{NEW}"),
        ("gcr.io/web:1", {"registry": "quay.io", "repository": "a/b", "tag": "2"}, "quay.io/a/b:2"),
        ("gcr.io/web:1", {"begins": "gcr.io", "tag": "2"}, "gcr.io/web:2"),
        ("gcr.io/web:1", {"begins": "gcr.io", "to": "quay.io", "tag": "2"}, "quay.io/web:2"),
        ("anything", {"to": "gcr.io/fixed:1"}, "gcr.io/fixed:1"),  # without `from`: the whole image
        ("$(IMAGE)", {"to": "gcr.io/fixed:1"}, "gcr.io/fixed:1"),
    ],
)
def test_parts_are_replaced_one_by_one(text: str, parts: dict[str, str], expected: str) -> None:
    assert replaced(text, rule(**parts), "x") == expected


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("quay.io/web:1", {"begins": "gcr.io", "tag": "2"}),
        ("$(IMAGE)", {"tag": "2"}),
    ],
)
def test_an_image_that_is_not_meant_stays(text: str, parts: dict[str, str]) -> None:
    assert replaced(text, rule(**parts), "x") is None


@pytest.mark.parametrize(
    ("text", "parts", "path"),
    [
        ("gcr.io/shop/web:1", {"begins": "gcr.io/shop", "to": "docker.io/shop:1"}, "x.to"),
        ("gcr.io/web:1", {"begins": "gcr.io", "to": "Quay IO"}, "x.to"),
        ("gcr.io/web:1", {"tag": "not a tag"}, "x"),
        ("gcr.io/web:1", {"tag": "sha256:12"}, "x"),
        ("gcr.io/web:1", {"repository": "UPPER"}, "x"),
    ],
)
def test_a_rule_that_makes_no_image_is_refused(text: str, parts: dict[str, str], path: str) -> None:
    with pytest.raises(RefusedError, match="which is no image") as caught:
        replaced(text, rule(**parts), "x")
    assert caught.value.path == path


TO_QUAY = ImageRule(from_="gcr.io", to="quay.io")
PODS: dict[str, Any] = {"spec": {"containers": [container()], "initContainers": [container("init")]}}


@pytest.mark.parametrize(
    ("obj", "path"),
    [
        (body("v1", "Pod", "x", **PODS), ("spec",)),
        (body("apps/v1", "Deployment", "x", spec={"template": PODS}), ("spec", "template", "spec")),
        (body("apps/v1", "StatefulSet", "x", spec={"template": PODS}), ("spec", "template", "spec")),
        (body("apps/v1", "DaemonSet", "x", spec={"template": PODS}), ("spec", "template", "spec")),
        (body("apps/v1", "ReplicaSet", "x", spec={"template": PODS}), ("spec", "template", "spec")),
        (body("v1", "ReplicationController", "x", spec={"template": PODS}), ("spec", "template", "spec")),
        (body("batch/v1", "Job", "x", spec={"template": PODS}), ("spec", "template", "spec")),
        (
            body("batch/v1", "CronJob", "x", spec={"jobTemplate": {"spec": {"template": PODS}}}),
            ("spec", "jobTemplate", "spec", "template", "spec"),
        ),
        (body("v1", "PodTemplate", "x", template=PODS), ("template", "spec")),
        (body("argoproj.io/v1alpha1", "Rollout", "x", spec={"template": PODS}), ("spec", "template", "spec")),
    ],
)
def test_images_are_found_wherever_pods_are_described(obj: Json, path: tuple[str, ...]) -> None:
    planned = plan(intent(manifest(obj), differences=(everywhere(images=(TO_QUAY,)),)), fleet("a"))
    (delivered,) = planned.deliveries["a"].objects
    for field in ("containers", "initContainers"):
        assert [c["image"] for c in found(delivered.body, (*path, field))] == ["quay.io/shop/web:1.0"]


@pytest.mark.parametrize(
    ("limits", "changed"),
    [
        ({}, {("web", "app"), ("web", "log"), ("api", "app")}),
        ({"workload": "web"}, {("web", "app"), ("web", "log")}),
        ({"container": "app"}, {("web", "app"), ("api", "app")}),
        ({"workload": "web", "container": "log"}, {("web", "log")}),
    ],
)
def test_a_rule_may_be_for_one_workload_or_container(limits: dict[str, str], changed: set[tuple[str, str]]) -> None:
    web = deployment("web", container("app"), container("log"))
    api = deployment("api", container("app"))
    images = (ImageRule(from_="gcr.io", to="quay.io", **limits),)
    planned = plan(intent(web, api, differences=(everywhere(images=images),)), fleet("a"))
    assert {
        (m.id.name, c["name"])
        for m in planned.deliveries["a"].objects
        for c in containers_of(m.body)
        if c["image"].startswith("quay.io")
    } == changed


def containers_of(deployed: Json) -> list[Any]:
    return list(found(deployed, ("spec", "template", "spec", "containers")))


def test_rules_apply_one_after_the_other() -> None:
    images = (ImageRule(from_="gcr.io", to="quay.io"), ImageRule(from_="quay.io/shop", to="ghcr.io"))
    planned = plan(intent(differences=(everywhere(images=images),)), fleet("a"))
    assert containers_of(planned.deliveries["a"].objects[0].body)[0]["image"] == "ghcr.io/web:1.0"


def test_a_bad_rule_refuses_only_the_clusters_that_it_is_for() -> None:
    broken = everywhere(images=(TO_QUAY, ImageRule(from_="quay.io/shop", to="docker.io/x:1")))
    planned = plan(intent(differences=(broken,)), fleet("a"))
    assert planned.refusals["a"].path == "spec.differences[0].images[1].to"
