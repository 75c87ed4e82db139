"""A few requests to a server of the fleet, with the standard library: a fleet must come up even when Atoll's own
client, which is tried on it, doesn't work.
"""

import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atoll.testing.localfleet.certificates import Pair


@dataclass(frozen=True)
class Admin:
    """Speaks to one server on loopback with a client certificate."""

    port: int
    authority: Path
    identity: Pair
    timeout: float = 10.0

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Status and body. Raises OSError when there is nobody, http.client.HTTPException when they speak otherwise."""
        context = ssl.create_default_context(cafile=str(self.authority))
        context.load_cert_chain(self.identity.cert, self.identity.key)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=self.timeout, context=context)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def answers(self, path: str) -> bool:
        """`path` is served with 200."""
        try:
            return self.request("GET", path)[0] == 200
        except (OSError, http.client.HTTPException):
            return False
