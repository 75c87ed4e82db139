"""The fleet: which clusters exist and how they are reached.

`provider.Aware` is the whole contract between a cluster and those who work on it; `fleet.Fleet` keeps one task scope a
cluster and engages everybody in it while the cluster can be reached. `join`, `leave` and `credentials` are how a
cluster comes, goes and stays trusted.
"""
