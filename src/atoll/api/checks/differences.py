"""Differences: labels that may be set, changes that change something, values that were lost."""

from collections import Counter
from collections.abc import Iterator

from atoll.api.checks.case import Case
from atoll.api.checks.manifests import reserved
from atoll.api.checks.placement import label
from atoll.api.differences import Target
from atoll.api.issues import Issue, warning
from atoll.api.placement import ClusterTarget

_TARGET_FIELDS = frozenset(ClusterTarget.__struct_fields__)


MOST_PATCHED = 20_000
"""How often an Application's patches meet an object, all together: about a second of the hub's time, for each kind of
cluster.
"""


def differences(case: Case) -> Iterator[Issue]:
    for index, difference in enumerate(case.app.spec.differences):
        at = f"spec.differences[{index}]"
        if not any(getattr(difference, f) for f in difference.__struct_fields__ if f not in _TARGET_FIELDS):
            yield warning(at, "changes nothing: it names clusters, and says nothing about them")
        for key, value in difference.labels.items():
            yield from label(key, value, f"{at}.labels[{key}]")
        yield from reserved(difference.labels, f"{at}.labels")
        for key in difference.annotations:
            yield from label(key, "", f"{at}.annotations[{key}]")
        yield from reserved(difference.annotations, f"{at}.annotations")
        yield from _patches(case, index)
    yield from _patched(case)


def _patched(case: Case) -> Iterator[Issue]:
    """A thousand objects, each met by a thousand patches, would keep the hub from everybody for minutes."""
    kinds, names = Counter(o.id.kind for o in case.objects), Counter(o.id.name for o in case.objects)
    met: dict[Target, int] = {}
    left = MOST_PATCHED
    for index, difference in enumerate(case.app.spec.differences):
        for number, patch in enumerate(difference.patches):
            target = patch.target
            if target not in met:
                found = [kinds[target.kind]] if target.kind else []
                met[target] = min([*found, names[target.name]] if target.name else found, default=0)
            left -= met[target]
            if left < 0:
                yield Issue(
                    f"spec.differences[{index}].patches[{number}]",
                    f"patches meet objects more than {MOST_PATCHED} times, with this one: let targets mean fewer",
                )
                return


def _patches(case: Case, index: int) -> Iterator[Issue]:
    """A value that isn't there is null, which is seldom what is meant: it is told from one that is written."""
    for number, patch in enumerate(case.body["spec"]["differences"][index].get("patches") or ()):
        if patch.get("op") in ("add", "replace", "test") and "value" not in patch:
            yield warning(
                f"spec.differences[{index}].patches[{number}].value", f"is not given: {patch['op']} takes null"
            )
