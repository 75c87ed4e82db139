"""A container's requests and limits: merged into what the manifest says; null removes one."""

from typing import Any

from atoll.api.editing import merged
from atoll.api.objects import Json


def with_resources(container: Json, wanted: dict[str, Any]) -> Json:
    old = container.get("resources") or {}
    new = merged(old, wanted)
    return container if new == old else {**container, "resources": new}
