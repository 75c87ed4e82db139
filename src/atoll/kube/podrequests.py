"""What a Pod requests of its node, as the scheduler counts it (KEP-753 for sidecars, KEP-688 for overhead)."""

from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any

from atoll.kube.quantity import parse_quantity

Json = Mapping[str, Any]
CPU = "cpu"


def amounts(quantities: Json) -> dict[str, int]:
    """Quantities by resource in whole units, rounded up: `cpu` in thousandths of a core, all others as counted."""
    return {name: amount(name, text) for name, text in quantities.items()}


def amount(resource: str, text: object) -> int:
    return ceil(parse_quantity(text) * (1000 if resource == CPU else 1))


def pod_requests(spec: Json) -> dict[str, int]:
    """The larger of all containers together and the largest init container, plus overhead.

    Init containers that restart (sidecars) count with the containers, and for each init container after them.
    Raises ValueError for what is no quantity.
    """
    running = _sum(_of(c) for c in spec.get("containers") or ())
    sidecars: dict[str, int] = {}
    starting: dict[str, int] = {}
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            sidecars = _sum((sidecars, _of(container)))
            starting = _most(starting, sidecars)
        else:
            starting = _most(starting, _sum((sidecars, _of(container))))
    return _sum((_most(_sum((running, sidecars)), starting), amounts(spec.get("overhead") or {})))


def _of(container: Json) -> dict[str, int]:
    resources = container.get("resources") or {}
    return amounts({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _sum(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0) + value
    return total


def _most(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in one.keys() | other.keys()}
