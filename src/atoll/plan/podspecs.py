"""Edits of containers, wherever an object has them."""

from collections.abc import Callable, Mapping
from typing import Any

from atoll.api.editing import changed, found, same, with_body
from atoll.api.objects import Json, Manifest
from atoll.api.podspec import CONTAINER_FIELDS, pod_spec

Edit = Callable[[Json], Json]
"""Takes a container and gives another, or the very same one when nothing is to change."""


def edit_containers(manifest: Manifest, edit: Edit, *, only: str = "", init: bool = True) -> Manifest:
    """`edit` every container; only the one of the name `only` when given; without `init`, no init containers."""
    spec = pod_spec(manifest.body)
    if spec is None:
        return manifest
    path, body = tuple(spec.path.split(".")), manifest.body
    for field in CONTAINER_FIELDS if init else CONTAINER_FIELDS[:1]:
        containers = found(body, (*path, field))
        if not isinstance(containers, list):
            continue
        edited = [edit(c) if isinstance(c, dict) and only in ("", c.get("name")) else c for c in containers]
        if not same(containers, edited):
            body = changed(body, (*path, field), edited)
    return with_body(manifest, body)


def edit_named(
    objects: tuple[Manifest, ...], wishes: Mapping[str, Any], edit: Callable[[Json, Any], Json], at: str, hits: set[str]
) -> tuple[Manifest, ...]:
    """Edits by `workload` or `workload/container`.

    A workload alone means all its containers, but not its init containers: these do something else, and are named one
    by one. `hits` collects the paths of the wishes that met a container.
    """
    for key in sorted(wishes):
        workload, _, container = key.partition("/")
        path = f"{at}[{key}]"

        def edit_one(found_container: Json, *, wish: Any = wishes[key], path: str = path) -> Json:
            hits.add(path)
            return edit(found_container, wish)

        objects = tuple(
            edit_containers(m, edit_one, only=container, init=bool(container)) if m.id.name == workload else m
            for m in objects
        )
    return objects
