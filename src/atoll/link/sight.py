"""What a hub process has seen of an agent: a piece of its own, since whoever reads it needs no server."""

import msgspec


class Sight(msgspec.Struct, frozen=True):
    """What a hub process has seen of an agent: of the session that it has, or had last. Times are epoch seconds,
    `round_trip` is in seconds, 0 when there is none; `certificate` is when the agent's ends.
    """

    connected: bool
    since: float
    heard: float
    version: str
    address: str
    connections: int
    round_trip: float
    received: int
    sent: int
    certificate: float
