"""FederatedServiceStatus: what members' Services say of themselves, in an object of its own. KubeFed's older way."""

from collections.abc import Mapping
from typing import Any

import msgspec

from atoll.api.kubefed.records import ServiceInCluster
from atoll.api.kubefed.typeconfig import FederatedTypeConfig
from atoll.api.objects import Json
from atoll.hub.kubefed.records import reference
from atoll.kube.client import Client
from atoll.kube.errors import AlreadyExists, NotFound
from atoll.kube.kubefed_resources import FEDERATEDSERVICESTATUSES, resource_of
from atoll.kube.objects import Object, Resource


class Services:
    """Writes them; each goes with the federated object that owns it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._written: dict[str, tuple[ServiceInCluster, ...]] = {}

    async def keep(self, owner: Object, config: FederatedTypeConfig, statuses: Mapping[str, Any]) -> None:
        """Have the statuses of `owner`'s Services, by cluster, told. Raises KubeError."""
        told = tuple(ServiceInCluster(name, statuses[name]) for name in sorted(statuses))
        if self._written.get(owner.uid) == told:
            return
        resource = _resource(config)
        fields = {"clusterStatus": msgspec.to_builtins(told)}
        try:
            await self._client.patch(resource, owner.name, owner.namespace, fields)
        except NotFound:
            try:
                await self._client.create(resource, {**_head(resource, owner), **fields})
            except AlreadyExists:
                await self._client.patch(resource, owner.name, owner.namespace, fields)
        self._written[owner.uid] = told

    def forget(self, uid: str) -> None:
        self._written.pop(uid, None)


def _resource(config: FederatedTypeConfig) -> Resource:
    named = config.spec.status_type
    return resource_of(named, namespaced=True) if named is not None else FEDERATEDSERVICESTATUSES


def _head(resource: Resource, owner: Object) -> Json:
    metadata = {"name": owner.name, "namespace": owner.namespace, "ownerReferences": [reference(owner)]}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
