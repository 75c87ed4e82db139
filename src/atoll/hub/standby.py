"""What a process that doesn't lead can do for the others: judge Applications at admission."""

import time

from atoll.api.names import LABEL_REACH
from atoll.api.objects import Json
from atoll.api.validate import Issue, validate
from atoll.hub.intents import kinds_of
from atoll.hub.scopes import Scopes
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.resources import CLUSTERS, NAMESPACES

REMEMBER = 10.0
"""Seconds for which the clusters' names hold: an unknown one is only a warning."""


class StandbyJudge:
    """Says what the leading hub's `judge` says; it asks the API server where that one watches."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._scopes = Scopes()
        self._clusters: frozenset[str] = frozenset()
        self._asked = float("-inf")

    async def judge(self, body: Json) -> tuple[Issue, ...]:
        """Raises KubeError when the API server can't be asked; then the Application passes, and is judged later."""
        await self._scopes.learn(kinds_of(body), (self._client,))
        return validate(
            body,
            known_clusters=await self._names(),
            scopes=self._scopes,
            reach=await self._reaches(str((body.get("metadata") or {}).get("namespace") or "")),
        )

    async def _names(self) -> frozenset[str]:
        if time.monotonic() - self._asked > REMEMBER:
            self._clusters = frozenset(c.name for c in (await self._client.list(CLUSTERS)).items)
            self._asked = time.monotonic()
        return self._clusters

    async def _reaches(self, namespace: str) -> bool:
        try:
            return (await self._client.get(NAMESPACES, namespace)).labels.get(LABEL_REACH) == "cluster"
        except NotFound:
            return False
