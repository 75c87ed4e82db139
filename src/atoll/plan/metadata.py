"""Labels and annotations: set on the objects themselves.

Selectors and pod templates stay as they are. A selector can't be changed once it exists, and a label in a template
would roll every Pod; who wants one there says so with a patch.
"""

from collections.abc import Mapping

from atoll.api.editing import changed, found, with_body
from atoll.api.objects import Manifest


def with_labels(manifest: Manifest, labels: Mapping[str, str]) -> Manifest:
    return _with_map(manifest, "labels", labels)


def with_annotations(manifest: Manifest, annotations: Mapping[str, str]) -> Manifest:
    return _with_map(manifest, "annotations", annotations)


def _with_map(manifest: Manifest, field: str, wanted: Mapping[str, str]) -> Manifest:
    old = found(manifest.body, ("metadata", field)) or {}
    new = {**old, **wanted}
    return manifest if new == old else with_body(manifest, changed(manifest.body, ("metadata", field), new))
