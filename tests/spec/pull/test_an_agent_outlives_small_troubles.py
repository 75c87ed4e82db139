"""What goes wrong on an agent's own machine: a full disk, a clock that jumps, an API server that is away at the wrong
moment. None of it may end the agent, nor lock it out.
"""

import asyncio
import os
import ssl
import time
from pathlib import Path

import pytest

from atoll.agent import connecting, main
from atoll.agent.connecting import Connector
from atoll.agent.enrolling import Command, enrolled
from atoll.agent.state import Folder, News, State
from atoll.fleet import tokens
from atoll.fleet.identity import hub_identity
from atoll.hub.agents import endpoint
from atoll.hub.agents.authority import authority
from atoll.hub.webhook import load
from atoll.kube.errors import Unreachable
from atoll.link.certificates import fingerprint, renew_at
from atoll.link.enrolment import renew
from atoll.link.sessions import LinkSession
from atoll.runtime.supervise import cancel_and_wait
from tests.delivering import eventually

from .linked import Linked


async def idle(session: LinkSession) -> None:
    await session.wait_lost()


async def connector_of(linked: Linked, cluster: str, folder: Folder | None = None) -> Connector:
    """In place of the agent that ran."""
    await cancel_and_wait(linked.working.pop(cluster))
    folder = folder or Folder(linked.folder / cluster)
    state = await folder.load()
    assert state is not None
    connector = Connector(folder, state, serve=lambda _: None, attend=idle)
    linked.working[cluster] = asyncio.create_task(connector.run())
    await eventually(lambda: any(door.connected for door in connector.doors()))
    return connector


async def test_a_clock_that_was_set_or_a_machine_that_slept_does_not_outlast_the_certificate(
    linked: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sleeping until the day it is due, on a clock that stands while the machine does, would end after its end."""
    monkeypatch.setattr(connecting, "LOOK", 0.02)
    connector = await connector_of(linked, "a")
    before = connector.state.certificate
    now = time.time
    ahead = renew_at(before.encode()) - now() + 60
    monkeypatch.setattr(time, "time", lambda: now() + ahead)
    await eventually(lambda: connector.state.certificate != before)


async def test_a_clock_that_is_a_day_ahead_makes_no_storm_of_renewals(
    linked: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = await connector_of(linked, "a")
    await cancel_and_wait(linked.working.pop("a"))
    asked = 0
    real = renew

    async def counting(*given: object) -> object:
        nonlocal asked
        asked += 1
        return await real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(connecting, "renew", counting)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 20 * 3600)
    linked.working["a"] = asyncio.create_task(connector_again(connector).run())
    await eventually(lambda: asked)
    await asyncio.sleep(0.5)
    assert asked == 1


def connector_again(former: Connector) -> Connector:
    return Connector(former._folder, former.state, serve=lambda _: None, attend=idle)


class Unkept(Folder):
    """The API server that keeps the state is away."""

    away = 2

    async def save(self, state: State) -> None:
        if self.away:
            self.away -= 1
            raise Unreachable("Refused", "nobody listens")
        await super().save(state)


async def test_a_certificate_that_can_not_be_kept_at_once_is_kept_later(
    linked: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "LOOK", 0.02)
    monkeypatch.setattr(connecting, "RENEW_AGAIN", 0.02)
    folder = Unkept(linked.folder / "a")
    connector = await connector_of(linked, "a", folder)
    before = connector.state.certificate
    due = renew_at(before.encode())
    monkeypatch.setattr(connecting, "renew_at", lambda pem: due - 10**6 if pem == before.encode() else due)

    async def kept() -> bool:
        state = await folder.load()
        return state is not None and state.certificate == connector.state.certificate != before

    await eventually(kept)
    assert not folder.away
    assert not linked.working["a"].done()


async def test_a_new_address_of_the_hub_is_dialled_once_it_is_told(
    linked: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "LOOK", 0.02)
    connector = await connector_of(linked, "a")
    linked.hosts = ("127.0.0.1", "localhost")
    await linked.stop_hub()
    await linked.start_hub()
    await eventually(lambda: any(door.connected for door in connector.doors()))
    before = connector.state.certificate
    due = renew_at(before.encode())
    monkeypatch.setattr(connecting, "renew_at", lambda pem: due - 10**6 if pem == before.encode() else due)
    await eventually(lambda: any("localhost" in door.address for door in connector.doors()))


async def test_a_full_disk_does_not_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "TELL_EVERY", 0.01)
    full = True
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if full:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr("os.fsync", fsync)
    folder = Folder(tmp_path)
    telling = asyncio.create_task(main._telling(folder, lambda: ()))
    await asyncio.sleep(0.1)
    assert not telling.done()
    assert not list(tmp_path.iterdir())
    full = False

    def told() -> News | None:
        return folder.news()

    await eventually(told)
    await cancel_and_wait(telling)


async def test_the_hubs_own_certificate_is_renewed_by_the_wall_clock(
    linked: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    await linked.stop_hub()
    monkeypatch.setattr(endpoint, "LOOK", 0.02)
    loaded: list[bytes] = []

    def loading(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
        loaded.append(certificate)
        load(context, certificate, key)

    monkeypatch.setattr(endpoint, "load", loading)
    await linked.start_hub()
    await asyncio.sleep(0.1)
    assert not loaded
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 89 * 24 * 3600)
    await eventually(lambda: loaded)


async def test_a_key_that_was_cut_off_is_named(linked: Linked, tmp_path: Path) -> None:
    token, _ = await tokens.create(linked.hub, "b")
    me = await hub_identity(linked.hub)
    pin = fingerprint((await authority(linked.hub, me.id)).certificate)
    folder = Folder(tmp_path / "cut")
    await folder.pending_key(b"-----BEGIN PRIVATE KEY-----\nMIG")
    with pytest.raises(ValueError, match="can't be read"):
        await enrolled(folder, Command(f"https://127.0.0.1:{linked.port}", "b", token, pin))
