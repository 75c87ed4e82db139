"""Which kinds are namespaced, as far as anybody in the fleet knows."""

from collections.abc import Iterable

from atoll.api.objects import GroupKind
from atoll.api.scopes import known_scope
from atoll.kube.client import Client
from atoll.kube.errors import KindNotServed, KubeError


class Scopes:
    """Answers at once from what was learnt; `learn` asks the API servers for what isn't known yet."""

    def __init__(self) -> None:
        self._namespaced: dict[GroupKind, bool] = {}

    def __call__(self, kind: GroupKind) -> bool | None:
        """True when namespaced, False when cluster-scoped, None when nobody serves it."""
        known = known_scope(kind)
        return self._namespaced.get(kind) if known is None else known

    async def learn(self, kinds: Iterable[GroupKind], clients: Iterable[Client]) -> None:
        """Ask `clients` in turn for each kind that isn't known. One that can't answer is passed over."""
        clients = list(clients)
        for kind in kinds:
            if self(kind) is not None or not kind.kind:
                continue
            for client in clients:
                try:
                    self._namespaced[kind] = (await client.discovery.resource(*kind)).namespaced
                except KindNotServed:
                    continue
                except KubeError:
                    continue
                break
