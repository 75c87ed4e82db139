"""Delivery: the only writers to member clusters.

A delivery is all manifests of one application for one cluster. What is wanted goes in order (`order`), each object by
one server-side apply (`writer`), what is wanted no longer goes only with proof (`prune`), and what somebody changed is
put back (`compare` says what differs). `Deliverer` is the door: hand in deliveries and removals, outcomes come back.
"""
