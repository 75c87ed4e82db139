"""The agent: what runs in a member that the hub can't reach.

It dials the hub and never listens. `state` is what it keeps, `enrolling` how it came to be trusted, `connecting` keeps
it connected; `tunnel` is what it does in tunnel mode.
"""
