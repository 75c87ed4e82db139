"""How long the machines search: a minute in CI, longer when ATOLL_EFFORT multiplies it (10 or 100, for a night)."""

import os

from hypothesis import HealthCheck, settings

EFFORT = int(os.environ.get("ATOLL_EFFORT", "1"))


def effort(examples: int, steps: int = 50) -> settings:
    """Settings for `examples` runs of `steps` steps each, times the effort."""
    return settings(
        max_examples=examples * EFFORT,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
