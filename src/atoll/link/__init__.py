"""The link between a hub and the agents in its members: one outbound TLS WebSocket that carries many streams.

An agent dials, the hub never does. `session` is the contract, all that the rest of Atoll sees of it; `frames`, `mux`
and `websocket` are the protocol, without sockets; `connection`, `streams` and `sessions` put it on asyncio; `dialling`
is the agent's end, `listening` the hub's.
"""
