"""Differences: labels that may be set, changes that change something, values that were lost."""

from collections.abc import Iterator

from atoll.api.checks.case import Case
from atoll.api.checks.manifests import reserved
from atoll.api.checks.placement import label
from atoll.api.issues import Issue, warning
from atoll.api.placement import ClusterTarget

_TARGET_FIELDS = frozenset(ClusterTarget.__struct_fields__)


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


def _patches(case: Case, index: int) -> Iterator[Issue]:
    """A value that isn't there is null, which is seldom what is meant: it is told from one that is written."""
    for number, patch in enumerate(case.body["spec"]["differences"][index].get("patches") or ()):
        if patch.get("op") in ("add", "replace", "test") and "value" not in patch:
            yield warning(
                f"spec.differences[{index}].patches[{number}].value", f"is not given: {patch['op']} takes null"
            )
