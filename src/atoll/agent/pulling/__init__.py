"""Pull mode: the agent holds the hub's last intent for its member, and keeps the member so, hub or no hub.

`holdings` decides what of the hub's words is taken, `store` keeps it on the member, `outbox` what there is to tell,
`conversation` is one connection with the hub, `answers` what it is asked; `agent` joins them.
"""
