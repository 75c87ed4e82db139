"""What operators see of a process: structured logs and Prometheus metrics.

`metrics` is the process's own set of metrics; a test, or a second hub in one process, makes its own `Metrics`.
"""

from atoll.telemetry.logs import set_up_logging
from atoll.telemetry.prometheus import Metrics

__all__ = ["Metrics", "metrics", "set_up_logging"]

metrics = Metrics()
