"""What differs per cluster: the manifests with their replicas, then every difference in order.

Clusters with the same differences and the same numbers share one rendering, and an object that differs nowhere is the
very same `Manifest` everywhere: a thousand clusters cost little more than the few that are unlike the others.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from atoll.api.differences import Difference
from atoll.api.objects import Manifest
from atoll.plan.commands import with_args, with_command
from atoll.plan.env import with_env
from atoll.plan.images import with_images
from atoll.plan.metadata import with_annotations, with_labels
from atoll.plan.model import Numbers, RefusedError, Snapshot
from atoll.plan.patches import meant, patched
from atoll.plan.podspecs import edit_named
from atoll.plan.resources import with_resources
from atoll.plan.scalable import EVERY, JOB, own_replicas, replicas_by_workload, with_replicas
from atoll.plan.targets import NoAnswerError, objection, objections


class Rendering(NamedTuple):
    """The objects as one or more clusters get them, and the replicas that they ended up with, by workload.

    `overridden` is the path of the last difference that changed these; "" when none did.
    """

    objects: tuple[Manifest, ...]
    replicas: dict[str, int]
    overridden: str = ""


class Renderer:
    """Renders one application for clusters, each kind of cluster once."""

    def __init__(self, manifests: tuple[Manifest, ...], differences: Sequence[Difference]) -> None:
        self._manifests = manifests
        self._differences = differences
        self._rendered: dict[tuple[tuple[int, ...], Numbers], Rendering | RefusedError] = {}
        self._hits: set[str] = set()
        self._used: set[int] = set()

    def render(self, differing: tuple[int, ...], numbers: Numbers) -> Rendering | RefusedError:
        """The objects for clusters with these differences, by index, and these replicas."""
        key = (differing, numbers)
        known = self._rendered.get(key)
        if known is None:
            known = self._rendered[key] = self._render(differing, numbers)
        return known

    def without_effect(self) -> list[str]:
        """The fields of differences that met nothing on any cluster so far: most likely mistakes."""
        wishes = (path for index in sorted(self._used) for path in _wishes(self._differences[index], index))
        return [path for path in wishes if path not in self._hits]

    def _render(self, differing: tuple[int, ...], numbers: Numbers) -> Rendering | RefusedError:
        objects = scaled(self._manifests, numbers)
        jobs = [m.id.name for m, n in zip(objects, numbers, strict=True) if n is not None and m.id.group_kind == JOB]
        replicas, overridden = replicas_by_workload(objects, jobs), ""
        self._used.update(differing)
        for index in differing:
            at = f"spec.differences[{index}]"
            try:
                objects = differ(objects, self._differences[index], at, self._hits)
            except RefusedError as refused:
                return refused.with_traceback(None)  # kept as a value: without the frames it came through
            except (AttributeError, TypeError, ValueError) as error:
                return RefusedError(at, f"an object that it means is of a form that no API server takes: {error}")
            now = replicas_by_workload(objects, jobs)
            if now != replicas:
                replicas, overridden = now, at
        return Rendering(objects, replicas, overridden)


def scaled(manifests: tuple[Manifest, ...], numbers: Numbers) -> tuple[Manifest, ...]:
    if not any(number is not None for number in numbers):
        return manifests
    return tuple(m if n is None else with_replicas(m, n) for m, n in zip(manifests, numbers, strict=True))


def differ(objects: tuple[Manifest, ...], difference: Difference, at: str, hits: set[str]) -> tuple[Manifest, ...]:
    """The objects with one difference. `hits` collects the paths of its fields that met something."""
    objects = with_images(objects, difference.images, f"{at}.images", hits)
    objects = edit_named(objects, difference.env, with_env, f"{at}.env", hits)
    objects = edit_named(objects, difference.command, with_command, f"{at}.command", hits)
    objects = edit_named(objects, difference.args, with_args, f"{at}.args", hits)
    objects = edit_named(objects, difference.resources, with_resources, f"{at}.resources", hits)
    if difference.labels:
        objects = tuple(with_labels(m, difference.labels) for m in objects)
    if difference.annotations:
        objects = tuple(with_annotations(m, difference.annotations) for m in objects)
    objects = _with_own_replicas(objects, difference.replicas, f"{at}.replicas", hits)
    return _with_patches(objects, difference, f"{at}.patches", hits)


def _with_own_replicas(
    objects: tuple[Manifest, ...], replicas: Mapping[str, int], at: str, hits: set[str]
) -> tuple[Manifest, ...]:
    if not replicas:
        return objects

    def scale(manifest: Manifest) -> Manifest:
        name = manifest.id.name if manifest.id.name in replicas else EVERY
        if name not in replicas or own_replicas(manifest) is None:
            return manifest
        hits.add(f"{at}[{name}]")
        return with_replicas(manifest, replicas[name])

    return tuple(scale(manifest) for manifest in objects)


def _with_patches(
    objects: tuple[Manifest, ...], difference: Difference, at: str, hits: set[str]
) -> tuple[Manifest, ...]:
    for index, patch in enumerate(difference.patches):
        path = f"{at}[{index}]"
        if any(meant(patch.target, m) for m in objects):
            hits.add(path)
            objects = tuple(patched(m, patch, path) if meant(patch.target, m) else m for m in objects)
    return objects


def _wishes(difference: Difference, index: int) -> Iterable[str]:
    """The paths of all fields that are meant to meet something. Labels and annotations meet every object."""
    at = f"spec.differences[{index}]"
    yield from (f"{at}.images[{i}]" for i in range(len(difference.images)))
    for field in ("env", "command", "args", "resources", "replicas"):
        yield from (f"{at}.{field}[{key}]" for key in sorted(getattr(difference, field)))
    yield from (f"{at}.patches[{i}]" for i in range(len(difference.patches)))


class Differing(NamedTuple):
    """Which differences each cluster has, by index; and the clusters for which this can't be told."""

    by_cluster: dict[str, tuple[int, ...]]
    refused: dict[str, RefusedError]


def differing(differences: Sequence[Difference], clusters: Sequence[str], fleet: Snapshot) -> Differing:
    """Find the differences that mean each of `clusters`."""
    found: dict[str, tuple[int, ...]] = dict.fromkeys(clusters, ())
    refused: dict[str, RefusedError] = {}
    for index, difference in enumerate(differences):
        object_to, known = objection(difference), _known(difference, fleet)
        for name in _candidates(difference, found):
            try:
                if not (known[name] if known else object_to(fleet.clusters[name])):
                    found[name] += (index,)
            except NoAnswerError as error:
                refused.setdefault(name, RefusedError(f"spec.differences[{index}].where", str(error)))
    return Differing(found, refused)


def _known(difference: Difference, fleet: Snapshot) -> Mapping[str, str]:
    """What is remembered of all clusters; nothing where each is asked by itself."""
    try:
        return {} if difference.clusters else objections(difference, fleet.clusters)
    except NoAnswerError:  # it has an answer for some
        return {}


def _candidates(difference: Difference, clusters: Mapping[str, object]) -> Iterable[str]:
    """Those named, where names are given: a difference for one cluster must not cost a look at a thousand."""
    named = dict.fromkeys(difference.clusters)
    return [name for name in named if name in clusters] if named else clusters
