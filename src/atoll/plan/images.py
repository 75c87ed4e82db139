"""Image references, and the rules that replace parts of them.

A reference is `[registry/]repository[:tag][@digest]` (distribution's reference grammar). The first part is a registry
when it has a dot or a port, or is `localhost`; else the registry is docker.io, and a single name lies in `library/`.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from atoll.api.differences import ImageRule
from atoll.api.objects import Json, Manifest
from atoll.plan.model import RefusedError
from atoll.plan.podspecs import edit_containers

DOCKER_HUB = "docker.io"
OFFICIAL = "library/"

_REGISTRY = re.compile(r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?", re.ASCII)
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH_AND_VERSION = re.compile(
    rf"(?P<repository>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>[A-Za-z][A-Za-z0-9+._-]*:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)


class Image(NamedTuple):
    """An image reference in its parts; "" for those that are not written. `digest` includes its algorithm."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return self.name + self.version

    @property
    def name(self) -> str:
        return f"{self.registry}/{self.repository}" if self.registry else self.repository

    @property
    def version(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def explicit(self) -> "Image":
        """With the registry and the folder that are only implied."""
        registry = self.registry or DOCKER_HUB
        official = registry == DOCKER_HUB and "/" not in self.repository
        return self._replace(registry=registry, repository=OFFICIAL + self.repository if official else self.repository)


def parse_image(text: str) -> Image | None:
    """The reference in its parts; None when `text` is none."""
    first, slash, rest = text.partition("/")
    registry = first if slash and (first == "localhost" or any(c in first for c in ".:")) else ""
    if registry and not _REGISTRY.fullmatch(registry):
        return None
    match = _PATH_AND_VERSION.fullmatch(rest if registry else text)
    if match is None:
        return None
    return Image(registry, match["repository"], match["tag"] or "", match["digest"] or "")


def with_images(
    objects: tuple[Manifest, ...], rules: Sequence[ImageRule], at: str, hits: set[str]
) -> tuple[Manifest, ...]:
    """The objects after all rules, in order. `hits` collects the paths of the rules that met an image."""
    for index, rule in enumerate(rules):
        path = f"{at}[{index}]"

        def edit(container: Json, rule: ImageRule = rule, path: str = path) -> Json:
            old = container.get("image")
            new = replaced(old, rule, path) if isinstance(old, str) else None
            if new is None:
                return container
            hits.add(path)
            return container if new == old else {**container, "image": new}

        objects = tuple(
            edit_containers(m, edit, only=rule.container) if rule.workload in ("", m.id.name) else m for m in objects
        )
    return objects


def replaced(text: str, rule: ImageRule, at: str) -> str | None:
    """The image after `rule`; None when the rule doesn't mean it.

    Raises `RefusedError` with `at`, the rule's path in the Application, when the result would be no image.
    """
    result = _begun_anew(text, rule)
    if result is None:
        return None
    new = parse_image(result)
    if new is None:
        raise RefusedError(f"{at}.to", f"would make {result} of {text}, which is no image")
    new = _with_parts(new, rule)
    if parse_image(str(new)) is None:
        raise RefusedError(at, f"would make {new} of {text}, which is no image")
    return str(new)


def _begun_anew(text: str, rule: ImageRule) -> str | None:
    """`text` with `to` in place of `from`; None when the rule doesn't mean it."""
    image = parse_image(text)
    if not rule.from_:  # `to` alone is the whole image
        return rule.to or (text if image is not None else None)
    rest = _rest_after(image, rule.from_) if image is not None else None
    if rest is None:
        return None
    return _joined(rule.to, rest) if rule.to else text


def _rest_after(image: Image, beginning: str) -> str | None:
    """What follows `beginning` in the image, at the end of a whole part; None when the image doesn't begin so.

    The image is tried as it is written, then with what is implied: `nginx` is docker.io/library/nginx too.
    """
    beginning = beginning.rstrip("/")
    explicit = image.explicit
    spellings = [image, explicit]
    if explicit.registry == DOCKER_HUB:
        short = explicit.repository.removeprefix(OFFICIAL)
        spellings += [explicit._replace(registry="", repository=name) for name in (explicit.repository, short)]
        spellings.append(explicit._replace(repository=short))
    for spelling in spellings:
        text = str(spelling)
        if text.startswith(beginning) and len(beginning) in _ends_of_parts(spelling):
            return text[len(beginning) :]
    return None


def _ends_of_parts(image: Image) -> set[int]:
    """Where the whole parts of the reference end: a port is no part of its own."""
    text, name = str(image), image.name
    start = len(image.registry)
    ends = {i for i in range(start, len(name)) if name[i] == "/"} | {len(name), len(text)}
    if image.digest:
        ends.add(len(text) - len(image.digest) - 1)
    return ends


def _joined(to: str, rest: str) -> str:
    """`to` in place of the beginning. A tag or digest in `to` takes the place of the old one."""
    to = to.rstrip("/")
    if rest.startswith("/"):
        return to + rest
    new = parse_image(to)
    return to if new is not None and new.version else to + rest


def _with_parts(image: Image, rule: ImageRule) -> Image:
    """The parts that the rule names one by one. A new registry keeps the whole path, `library/` too."""
    if rule.registry:
        image = image.explicit._replace(registry=rule.registry.rstrip("/"))
    if rule.repository:
        image = image._replace(repository=rule.repository.strip("/"))
    if rule.tag:
        # A digest decides what runs: kept beside a new tag, the old image would go on running.
        is_digest = ":" in rule.tag
        digest = rule.tag.removeprefix("@") if is_digest else ""
        image = image._replace(tag="" if is_digest else rule.tag, digest=digest)
    return image
