"""Benchmarks: each prints one JSON line a result, with ratios taken in the same run against the raw limit."""
