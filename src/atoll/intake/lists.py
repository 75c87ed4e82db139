"""Manifests as people paste them: a List stands for its items."""

from collections.abc import Iterable, Iterator

from atoll.api.manifests import is_list
from atoll.api.objects import Json


def flatten(manifests: Iterable[Json]) -> Iterator[Json]:
    """The objects, with every List (and DeploymentList and so on, Lists in Lists too) replaced by its items."""
    for body in manifests:
        if is_list(body):
            yield from flatten(_items(body))
        else:
            yield body


def _items(body: Json) -> Iterator[Json]:
    """A kind's own list leaves apiVersion and kind out of its items, since it says them itself."""
    kind = str(body["kind"]).removesuffix("List")
    common = {"apiVersion": body.get("apiVersion"), "kind": kind} if kind else {}
    return ({**common, **item} for item in body["items"] if isinstance(item, dict))
