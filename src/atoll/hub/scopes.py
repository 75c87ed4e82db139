"""Which kinds are namespaced, as far as anybody in the fleet knows."""

import asyncio
from collections.abc import Iterable

from atoll.api.objects import GroupKind
from atoll.api.scopes import known_scope
from atoll.kube.client import Client
from atoll.kube.errors import KubeError

PATIENCE, ONE_OF_THEM = 3.0, 1.0
"""Seconds for all who are asked, and for one of them, such as a member that hangs and isn't known to be away yet."""


class Scopes:
    """Answers at once from what was learnt; `learn` asks the API servers for what isn't known yet."""

    def __init__(self) -> None:
        self._namespaced: dict[GroupKind, bool] = {}

    def __call__(self, kind: GroupKind) -> bool | None:
        """True when namespaced, False when cluster-scoped, None when nobody serves it."""
        known = known_scope(kind)
        return self._namespaced.get(kind) if known is None else known

    async def learn(self, kinds: Iterable[GroupKind], clients: Iterable[Client]) -> None:
        """Ask `clients` in turn for each kind that isn't known. One that can't answer is passed over, and nobody
        is waited for for long: whoever asks keeps a worker from others.
        """
        unknown = [kind for kind in kinds if kind.kind and self(kind) is None]
        left, ends = list(clients) if unknown else [], asyncio.get_running_loop().time() + PATIENCE
        for kind in unknown:
            for client in tuple(left):
                try:
                    async with asyncio.timeout_at(min(ends, asyncio.get_running_loop().time() + ONE_OF_THEM)):
                        self._namespaced[kind] = (await client.discovery.resource(*kind)).namespaced
                except TimeoutError:
                    left.remove(client)
                except KubeError:
                    continue
                else:
                    break
