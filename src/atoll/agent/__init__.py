"""The agent: what runs in a member that the hub can't reach.

It dials the hub and never listens. `pulling` fetches the member's part of each Application and works on it with the
same `deliver` and `observe` as the hub does for clusters near it.
"""
