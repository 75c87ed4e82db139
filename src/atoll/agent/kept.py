"""An agent in a Pod keeps key and certificate in a Secret of its own: its Pods come and go, its token works once."""

import base64
from pathlib import Path

from atoll.agent.state import PENDING, STATE, Folder, State
from atoll.api.names import SYSTEM_NAMESPACE
from atoll.kube.client import Client
from atoll.kube.connection import Config
from atoll.kube.errors import NotFound
from atoll.kube.resources import SECRETS


class SecretFolder(Folder):
    """A folder whose content is gone with the Pod, and Secret `name` in the member's `atoll-system`, which is read at
    the start and written before anything counts. The Secret is there already: the agent may read and change this one.
    """

    def __init__(self, path: Path, member: Config, name: str) -> None:
        super().__init__(path)
        self._member = member
        self._name = name

    async def load(self) -> State | None:
        """Raises ValueError, KubeError."""
        async with Client(self._member) as client:
            try:
                data = (await client.get(SECRETS, self._name, SYSTEM_NAMESPACE)).body().get("data") or {}
            except NotFound as error:
                raise ValueError(
                    f"Secret {SYSTEM_NAMESPACE}/{self._name} is not there: `atoll agent manifest` makes it"
                ) from error
        for name in (STATE, PENDING):
            if name in data:
                self._write(name, base64.b64decode(data[name]))
        return await super().load()

    async def save(self, state: State) -> None:
        await super().save(state)
        await self._keep({STATE: self.path / STATE})

    async def pending_key(self, make: bytes) -> bytes:
        key = await super().pending_key(make)
        await self._keep({PENDING: self.path / PENDING})
        return key

    async def enrolled(self, state: State) -> None:
        await super().enrolled(state)
        await self._keep({PENDING: None})

    async def _keep(self, files: dict[str, Path | None]) -> None:
        data = {name: base64.b64encode(f.read_bytes()).decode() if f else None for name, f in files.items()}
        async with Client(self._member) as client:
            await client.patch(SECRETS, self._name, SYSTEM_NAMESPACE, {"data": data}, type="merge")
