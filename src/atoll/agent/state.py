"""What an agent keeps across restarts: its key, its certificate, and where its hub is."""

import os
import secrets
from pathlib import Path
from typing import TypeVar

import msgspec

from atoll.kube.connection import Config

Kind = TypeVar("Kind")
STATE, PENDING = "agent.json", "pending.key"


class State(msgspec.Struct, frozen=True):
    """An enrolled agent. Certificates and key are PEM; `addresses` are URLs of the hub's processes."""

    cluster: str
    mode: str
    hub: str
    addresses: tuple[str, ...]
    ca: str
    key: str
    certificate: str
    token: str = ""
    """Which join token let it in: its id, not its secret."""
    entered: str = ""
    """The address by which it came in: it leads to the hub even if the hub doesn't know of it."""

    def __repr__(self) -> str:
        return f"State(cluster={self.cluster!r}, mode={self.mode!r}, hub={self.hub!r})"

    def told(self, addresses: tuple[str, ...]) -> tuple[str, ...]:
        """All of the hub's, when it says that it has these."""
        return tuple(dict.fromkeys(filter(None, (self.entered, *addresses)))) or self.addresses

    def config(self, address: str) -> Config:
        """How the hub is dialled at `address`."""
        return Config(
            server=address,
            ca=self.ca.encode(),
            client_certificate=self.certificate.encode(),
            client_key=self.key.encode(),
            source=f"agent of {self.cluster}",
        )


class Folder:
    """Keeps an agent's state in a folder that its owner alone may read, and what the agent last said of itself."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def load(self) -> State | None:
        """None when there is none yet. Raises ValueError when it can't be read."""
        return self._read(STATE, State)

    async def save(self, state: State) -> None:
        self._write(STATE, msgspec.json.encode(state))

    async def pending_key(self, make: bytes) -> bytes:
        """The key of an enrolment that has begun, else `make`, from now on: a token that was spent is asked again with
        the same key.
        """
        path = self.path / PENDING
        if path.exists():
            return path.read_bytes()
        self._write(PENDING, make)
        return make

    async def enrolled(self, state: State) -> None:
        """The pending key is in `state` now."""
        await self.save(state)
        (self.path / PENDING).unlink(missing_ok=True)

    def tell(self, news: "News") -> None:
        self._write("status.json", msgspec.json.encode(news))

    def news(self) -> "News | None":
        return self._read("status.json", News)

    def _read(self, name: str, kind: type[Kind]) -> Kind | None:
        try:
            return msgspec.json.decode((self.path / name).read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise ValueError(f"{self.path / name} can't be read: {error}; enrol again in another folder") from error

    def _write(self, name: str, data: bytes) -> None:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self.path / f".{name}.{secrets.token_hex(4)}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path / name)
        except OSError:
            temporary.unlink(missing_ok=True)  # a full disk is not to be filled further, every two seconds
            raise


class Door(msgspec.Struct, frozen=True):
    """One of the hub's addresses, and how it goes there. Times are epoch seconds; `round_trip` in seconds."""

    address: str
    connected: bool
    since: float
    reason: str = ""
    message: str = ""
    round_trip: float = 0.0
    received: int = 0
    sent: int = 0


class News(msgspec.Struct, frozen=True):
    """What an agent last said of itself; `at` is when (epoch seconds), `pid` its process."""

    pid: int
    at: float
    version: str
    doors: tuple[Door, ...]
    trouble: str = ""
