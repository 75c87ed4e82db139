"""Taints and tolerations, with the meaning that they have for Kubernetes' nodes (core/v1 helpers, ToleratesTaint)."""

from collections.abc import Iterable

from atoll.api.cluster import Taint
from atoll.api.placement import Toleration


def untolerated(taints: Iterable[Taint], tolerations: tuple[Toleration, ...]) -> list[Taint]:
    """The taints that no toleration covers."""
    return [taint for taint in taints if not any(tolerates(toleration, taint) for toleration in tolerations)]


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    return toleration.operator == "Exists" or toleration.value == taint.value


def in_words(taint: Taint) -> str:
    """As kubectl writes it: `key=value:Effect`."""
    value = f"={taint.value}" if taint.value else ""
    return f"{taint.key}{value}:{taint.effect}"


def tolerated_until(taint: Taint, tolerations: tuple[Toleration, ...], since: float) -> float | None:
    """When the taint, there `since`, is tolerated no longer; None: never. The shortest toleration counts."""
    if taint.effect != "NoExecute":
        return None
    spans = [t.toleration_seconds for t in tolerations if t.toleration_seconds is not None and tolerates(t, taint)]
    return since + min(spans) if spans else None
