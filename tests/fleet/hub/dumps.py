"""Everything on a cluster, so that before and after can be compared."""

import msgspec

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.api.objects import Json
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.resources import NAMESPACES

PASSING = frozenset({"Event", "Lease"})
OF_EVERY_NAMESPACE = frozenset({("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")})
Dump = dict[tuple[str, str, str], Json]
"""By kind, namespace and name: what somebody wants of the object, without how it is and which version that is."""


async def dump(cluster: Client) -> Dump:
    """All objects but Events, Leases, Atoll's own namespace, and namespaces that are just going."""
    found: Dump = {}
    passing = {SYSTEM_NAMESPACE} | {n.name for n in (await cluster.list(NAMESPACES)).items if n.deleting}
    cluster.discovery.invalidate()
    for resource in await cluster.discovery.all():
        if "list" not in resource.verbs or resource.kind in PASSING:
            continue
        try:
            listing = await cluster.list(resource)
        except NotFound:  # its definition has just gone
            continue
        for live in listing.items:
            if not passing & {live.namespace, live.name}:
                found[str(resource.group_kind), live.namespace, live.name] = wanted(live.body())
    return found


def wanted(body: Json) -> Json:
    metadata = {
        k: v for k, v in body["metadata"].items() if k not in {"resourceVersion", "generation", "managedFields"}
    }
    return {k: v for k, v in body.items() if k != "status"} | {"metadata": metadata}


def changes(before: Dump, after: Dump) -> list[str]:
    """What differs, but for namespaces that were made meanwhile, empty ones: Atoll never prunes a namespace."""
    made = {name for kind, _, name in after.keys() - before.keys() if kind == "Namespace"}
    found = [f"gone: {key}" for key in before.keys() - after.keys()]
    for key, body in after.items():
        kind, namespace, name = key
        if key in before and before[key] != body:
            found.append(f"changed: {key}: {msgspec.json.encode(body).decode()[:2000]}")
        elif key not in before and not (
            (kind == "Namespace" and name in made) or (namespace in made and (kind, name) in OF_EVERY_NAMESPACE)
        ):
            found.append(f"left behind: {key}")
    return found
