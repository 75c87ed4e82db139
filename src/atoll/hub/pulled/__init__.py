"""Clusters in pull mode, as the hub sees them: their agents call, and the hub holds no credential for any of them.

`connection` is one cluster, which the fleet and the deliverer take for any other; `conversation` is what its agent and
the hub say to each other; `agents` are all of them, by the names that their certificates prove.
"""
