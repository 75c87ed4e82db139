"""`controller-manager`, as KubeFed's manifests start it: its flags, its configuration, its words."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from atoll.api.kubefed.names import CONFIG, NAMESPACE
from atoll.cli.exits import UsageError
from atoll.cli.kubefed import programs
from atoll.hub.kubefed.control_plane import ControlPlane
from atoll.hub.kubefed.ensuring import config_body
from atoll.hub.kubefed.main import ControllerManager, _configure
from atoll.kube.client import Client
from atoll.kube.errors import ConfigError
from atoll.kube.kubefed_resources import KUBEFEDCONFIGS
from atoll.kube.resources import NAMESPACES
from atoll.testing.fakeapi import FakeApi
from atoll.testing.fakeapi.kinds import Kind


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with FakeApi() as api, Client(api.config) as client:
        api.cluster.kinds.add(Kind(KUBEFEDCONFIGS))
        await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        yield client


def manager(client: Client, told: list[str], **options: object) -> ControllerManager:
    return ControllerManager(client.config, "a", NAMESPACE, told.append, **options)  # type: ignore[arg-type]


async def scope(client: Client) -> str:
    return str((await client.get(KUBEFEDCONFIGS, CONFIG, NAMESPACE)).body()["spec"]["scope"])


async def test_a_config_that_has_to_be_made_gets_the_scope_of_the_environment(client: Client) -> None:
    await _configure(client, manager(client, [], scope="Namespaced"))
    assert await scope(client) == "Namespaced"
    await _configure(client, manager(client, [], scope="Cluster"))
    assert await scope(client) == "Namespaced"  # it never changes


async def test_a_configs_file_is_put_in_place_of_the_hosts(client: Client, tmp_path: Path) -> None:
    file, told = tmp_path / "config.yaml", list[str]()
    await client.create(KUBEFEDCONFIGS, config_body(NAMESPACE, "Cluster"))
    file.write_text("kind: KubeFedConfig\nspec:\n  scope: Cluster\n  syncController: {adoptResources: Disabled}\n")
    await _configure(client, manager(client, told, config_file=file))
    spec = (await client.get(KUBEFEDCONFIGS, CONFIG, NAMESPACE)).body()["spec"]
    assert spec == {"scope": "Cluster", "syncController": {"adoptResources": "Disabled"}}
    assert told == [f'Setting Options with KubeFedConfig from file "{file}"']


@pytest.mark.parametrize("text", ["", "spec: 5\n", "spec: {}\n", "a: [\n"])
async def test_a_file_that_is_no_config_is_named(client: Client, tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=f'Cannot decode KubeFedConfig from file "{file}"'):
        await _configure(client, manager(client, [], config_file=file))
    with pytest.raises(ConfigError, match="Cannot open"):
        await _configure(client, manager(client, [], config_file=tmp_path / "none"))


async def test_where_the_kinds_are_missing_it_is_said_what_brings_them(client: Client) -> None:
    with pytest.raises(ConfigError, match="atoll install --kubefed"):
        await ControlPlane(client, NAMESPACE).prepare()


@pytest.mark.parametrize(
    ("rate", "burst", "expected"), [(None, None, None), (0, 5, None), (50, None, (50, 100)), (50, 60, (50, 60))]
)
def test_requests_are_limited_when_that_is_asked_for(
    rate: float | None, burst: int | None, expected: tuple[float, int] | None
) -> None:
    assert programs._throttle(rate, burst) == expected


@pytest.mark.parametrize(("rate", "burst"), [(-1, None), (5, 0)])
def test_a_limit_that_is_none_is_refused(rate: float, burst: int | None) -> None:
    with pytest.raises(UsageError):
        programs._throttle(rate, burst)


def test_the_scope_in_the_environment_is_one_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(programs.SCOPE_VARIABLE, "World")
    with pytest.raises(UsageError, match="DEFAULT_KUBEFED_SCOPE"):
        programs._scope()


def test_outside_of_a_cluster_the_namespace_has_to_be_given() -> None:
    with pytest.raises(UsageError, match="--kubefed-namespace"):
        programs._own_namespace("/some/kubeconfig", "")
