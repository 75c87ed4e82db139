"""`orphaning-deletion`: whether members' objects stay when their federated object goes."""

from atoll.api.kubefed.names import ANNOTATION_ORPHAN, TYPES_GROUP
from atoll.install.kubefed.served import ServedType, chosen, served_types
from atoll.install.kubefed.voice import Voice
from atoll.kube.client import Client
from atoll.kube.objects import Object, Resource

ORPHANED = "true"


async def found(client: Client, kind: str, name: str, namespace: str, voice: Voice) -> tuple[Resource, Object]:
    """The federated object that is meant. Raises InstallError, NotFound."""
    served = chosen(await served_types(client), kind)
    if not is_federated(served):
        voice.result(f"Warning: {served.qualified}/{served.version} might not be a federated resource")
    resource = Resource(served.group, served.version, served.kind, served.plural, served.namespaced, served.verbs)
    return resource, await client.get(resource, name, namespace if served.namespaced else "")


def is_federated(served: ServedType) -> bool:
    return served.group == TYPES_GROUP and served.kind.startswith("Federated")


def is_orphaning(live: Object) -> bool:
    return live.annotations.get(ANNOTATION_ORPHAN) == ORPHANED


async def turn(client: Client, resource: Resource, live: Object, *, on: bool) -> None:
    """Nothing is written when it is as it should be. Raises Conflict when the object was changed meanwhile."""
    if is_orphaning(live) is on:
        return
    annotations = {ANNOTATION_ORPHAN: ORPHANED if on else None}
    await client.patch(
        resource,
        live.name,
        live.namespace,
        {"metadata": {"annotations": annotations, "resourceVersion": live.resource_version}},
    )
