"""An image reference is `[registry/]repository[:tag][@digest]`."""

import pytest

from atoll.plan.images import Image, parse_image

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("nginx", Image("", "nginx")),
        ("nginx:1.27", Image("", "nginx", "1.27")),
        ("library/nginx", Image("", "library/nginx")),
        ("docker.io/library/nginx:1", Image("docker.io", "library/nginx", "1")),
        ("gcr.io/shop/web:1.0", Image("gcr.io", "shop/web", "1.0")),
        ("localhost/a", Image("localhost", "a")),
        ("localhost:5000/a:1", Image("localhost:5000", "a", "1")),
        ("registry:5000/a/b", Image("registry:5000", "a/b")),
        ("10.0.0.1:5000/a", Image("10.0.0.1:5000", "a")),
        ("[::1]:5000/a", Image("[::1]:5000", "a")),
        ("shop/web__x.y-z", Image("", "shop/web__x.y-z")),
        (f"a@{DIGEST}", Image("", "a", "", DIGEST)),
        (f"gcr.io/a:1@{DIGEST}", Image("gcr.io", "a", "1", DIGEST)),
    ],
)
def test_a_reference_has_parts(text: str, image: Image) -> None:
    assert parse_image(text) == image
    assert str(image) == text


@pytest.mark.parametrize(
    "text", ["", "Nginx", "a:b:c", "a//b", "/a", "a/", "a@", "a@sha256:12", "$(IMAGE)", "a b", "a:", ".io/a"]
)
def test_what_is_no_reference(text: str) -> None:
    assert parse_image(text) is None


@pytest.mark.parametrize(
    ("text", "explicit"),
    [
        ("nginx:1", "docker.io/library/nginx:1"),
        ("docker.io/nginx", "docker.io/library/nginx"),
        ("shop/web", "docker.io/shop/web"),
        ("gcr.io/web", "gcr.io/web"),
        ("localhost:5000/a", "localhost:5000/a"),
    ],
)
def test_docker_hub_is_implied(text: str, explicit: str) -> None:
    image = parse_image(text)
    assert image is not None
    assert str(image.explicit) == explicit
