"""Namespaces that objects need: made when missing, marked as made by Atoll, never pruned."""

import asyncio
from collections import defaultdict

from atoll.deliver.gate import Gate
from atoll.kube.client import Client
from atoll.kube.errors import AlreadyExists, Forbidden
from atoll.kube.resources import NAMESPACES
from atoll.runtime import failpoints

LABEL_MADE_BY = "app.kubernetes.io/managed-by"
MADE_BY = "atoll"


class Namespaces:
    """Which namespaces of one member are known to exist. Asks once for each, by trying to create it."""

    def __init__(self, client: Client, gate: Gate) -> None:
        self._client = client
        self._gate = gate
        self._known: set[str] = set()
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def seen(self, name: str) -> None:
        self._known.add(name)

    def lost(self, name: str) -> None:
        self._known.discard(name)

    async def ensure(self, name: str) -> None:
        """Return when `name` exists. Without leave to create namespaces it is taken to exist: the object will tell."""
        if not name or name in self._known:
            return
        async with self._asking[name]:
            if name in self._known:
                return
            await self._create(name)
            self._known.add(name)
        self._asking.pop(name, None)

    @failpoints.around("deliver.namespace")
    async def _create(self, name: str) -> None:
        labels = {LABEL_MADE_BY: MADE_BY}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        try:
            await self._gate.send(lambda: self._client.create(NAMESPACES, body))
        except (AlreadyExists, Forbidden):
            pass  # it exists, or an admin makes it
