"""`atoll install --no-select`: the hub sees objects of nobody, but in namespaces whose admins say so."""

from collections.abc import Iterator

import pytest

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.kube.errors import Forbidden
from atoll.kube.resources import CLUSTERROLEBINDINGS, CONFIGMAPS, ROLEBINDINGS, SECRETS
from tests.delivering import eventually
from tests.fleet.install.installed import Installed, condition, deploy, exists, make_namespace, ready

KEY = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"k": "v"}}


@pytest.fixture(scope="module")
def hub(installed: Installed) -> Iterator[Installed]:
    installed.install()
    assert "clusterrolebinding/atoll-select removed" in installed.install("--no-select")
    installed.start()
    installed.join()
    yield installed
    installed.stop()


async def test_secrets_of_others_are_closed(hub: Installed) -> None:
    async with hub.client() as client, hub.as_hub() as trespasser:
        assert not await exists(client, CLUSTERROLEBINDINGS, "atoll-select")
        for namespace in ("kube-system", "default", ""):
            with pytest.raises(Forbidden):
                await trespasser.list(SECRETS, namespace)


async def test_a_namespace_is_opened_by_its_admins(hub: Installed) -> None:
    """What is missing is told on the Application; once it is given, it goes on by itself."""
    async with hub.client() as client, hub.client("member1") as member:
        for namespace in ("opened", "closed"):
            await make_namespace(client, namespace)
            await client.apply(SECRETS, KEY, name="key", namespace=namespace, manager="test", force=True)
            await deploy(client, namespace, "app", select=[{"apiVersion": "v1", "kind": "Secret", "name": "key"}])

            async def told(namespace: str = namespace) -> bool:
                accepted = await condition(client, namespace, "app", "Accepted")
                return accepted.get("status") == "False" and "atoll-select" in accepted["message"]

            await eventually(told, 20)
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "atoll-select", "namespace": "opened"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "atoll-select"},
            "subjects": [{"kind": "ServiceAccount", "name": "atoll-hub", "namespace": SYSTEM_NAMESPACE}],
        }
        await client.create(ROLEBINDINGS, binding)
        await ready(client, "opened", "app")
        assert await exists(member, SECRETS, "key", "opened")
        await client.patch(SECRETS, "key", "opened", {"stringData": {"k": "new"}}, type="merge")

        async def arrived() -> bool:
            return bool((await member.get(SECRETS, "key", "opened")).body()["data"]["k"] == "bmV3")

        await eventually(arrived, 15)
        assert (await condition(client, "closed", "app", "Accepted"))["status"] == "False"
        assert not await exists(member, SECRETS, "key", "closed")


async def test_the_webhook_and_inline_applications_need_no_select(hub: Installed) -> None:
    async with hub.client() as client:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "1"}}
        await deploy(client, "closed", "inline", manifests=[body])
        await ready(client, "closed", "inline")
        assert not await exists(client, CONFIGMAPS, "settings", "closed")
