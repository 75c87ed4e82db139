"""What operators see of a process: structured logs and Prometheus metrics.

`metrics` are functions on Prometheus' default registry, named after what happened; `logs` sets structlog up.
"""
