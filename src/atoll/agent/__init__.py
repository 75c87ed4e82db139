"""The agent: what runs in a member that the hub can't reach.

It dials the hub and never listens. `state` is what it keeps, `enrolling` how it came to be trusted, `connecting` keeps
it connected; `tunnel` is what it does in tunnel mode, `pulling` in pull mode: it fetches the member's part of each
Application and works on it with the same `deliver` and `observe` as the hub does for clusters near it.
"""
