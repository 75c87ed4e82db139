"""Free ports on the loopback address."""

import random
import socket
from collections.abc import Container

RANGE = range(20000, 32000)
"""Below the kernel's usual range for outgoing connections, which would else take the port of a stopped component."""


def is_free(port: int) -> bool:
    """Nobody listens on `port`. Connections that linger from before don't count: one may listen in spite of them."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def choose(taken: Container[int]) -> int:
    """A free port that is not in `taken`."""
    candidates = list(RANGE)
    random.shuffle(candidates)
    for port in candidates:
        if port not in taken and is_free(port):
            return port
    raise OSError(f"no free port on 127.0.0.1 between {RANGE.start} and {RANGE.stop - 1}")
