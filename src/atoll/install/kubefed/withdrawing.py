"""What the hub was given in a KubeFed control plane's place, wherever that was: found to be taken back."""

from atoll.hub.kubefed.admission import names
from atoll.install.layout import HUB, KUBEFED, PART_OF
from atoll.kube.client import Client
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES

ROLE_KINDS = {resource.kind: resource for resource in (CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES)}


async def webhooks(client: Client) -> list[tuple[Resource, str]]:
    """Those that lead to a hub: without one that answers nobody could write KubeFed's kinds any more."""
    found = []
    for resource, prefix in names():
        for live in (await client.list(resource)).items:
            services = [((w.get("clientConfig") or {}).get("service") or {}) for w in live.body().get("webhooks") or ()]
            if live.name.startswith(prefix) and any(service.get("name") == HUB for service in services):
                found.append((resource, live.name))
    return found


async def rights(client: Client) -> list[Object]:
    """In whichever namespace the control plane was."""
    lists = [await client.list(resource, labels=f"{PART_OF}=atoll") for resource in ROLE_KINDS.values()]
    return [live for listed in lists for live in listed.items if live.name == KUBEFED]
