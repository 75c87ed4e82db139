"""How results are printed."""

import json
from statistics import median


def result(bench: str, metric: str, value: float, unit: str, **more: object) -> None:
    """One JSON line: `bench`, `metric`, `value`, `unit`, and `ratio` and `against` where it compares."""
    print(json.dumps({"bench": bench, "metric": metric, "value": round(value, 4), "unit": unit, **more}), flush=True)


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of `values` lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


__all__ = ["median", "percentile", "result"]
