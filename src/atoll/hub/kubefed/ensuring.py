"""A KubeFed control plane's own objects on its host: namespace, kinds, configuration, the types that it propagates.

Where KubeFed itself was installed they are there: what users changed, and what other tools look after, is left alone.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

from atoll.api.kubefed.common import ObjectMeta
from atoll.api.kubefed.config import KubeFedConfig, KubeFedConfigSpec
from atoll.api.kubefed.defaulting import with_defaults
from atoll.api.kubefed.definitions import crds, federated_crd
from atoll.api.kubefed.names import CONFIG, NAMESPACE, Scope
from atoll.api.kubefed.types import ENABLED, TargetType, body_of, federated_type, type_config
from atoll.api.names import FIELD_MANAGER
from atoll.api.objects import Json, identify
from atoll.kube.client import Client
from atoll.kube.errors import AlreadyExists, KubeError, NotFound, Unavailable
from atoll.kube.kubefed_resources import FEDERATEDTYPECONFIGS, KUBEFEDCONFIGS
from atoll.kube.objects import Resource
from atoll.kube.resources import CRDS, NAMESPACES

PART_OF = "app.kubernetes.io/part-of"
SERVED_IN = 30.0
LOOK_EVERY = 0.1

Tell = Callable[[str, str, str], None]
"""Called with kind, name and what became of it: created, configured, or left as it is."""


def _silent(kind: str, name: str, what: str) -> None:
    del kind, name, what


async def ensure(
    client: Client,
    namespace: str = NAMESPACE,
    *,
    scope: str = Scope.CLUSTER.value,
    types: Iterable[TargetType] = ENABLED,
    tell: Tell = _silent,
    dry_run: bool = False,
) -> None:
    """Make what a control plane in `namespace` needs, where it is missing, and wait until its kinds are served."""
    types = tuple(types)
    definitions = [*crds(), *(federated_crd(federated_type(target)) for target in types)]
    await _create(client, NAMESPACES, namespace_body(namespace), tell, dry_run=dry_run)
    for body in definitions:
        await _define(client, labelled(body), tell, dry_run=dry_run)
    for body in () if dry_run else definitions:
        await _until_served(client, body)
    client.discovery.invalidate()
    try:
        await _create(client, KUBEFEDCONFIGS, config_body(namespace, scope), tell, dry_run=dry_run)
        for target in types:
            body = body_of(type_config(target, namespace=namespace))
            await _create(client, FEDERATEDTYPECONFIGS, body, tell, dry_run=dry_run)
    except NotFound:
        if not dry_run:  # which made neither the kinds nor the namespace
            raise


def objects(namespace: str = NAMESPACE, *, scope: str = Scope.CLUSTER.value) -> list[Json]:
    """The same objects as manifests, in the order to apply them."""
    return [
        namespace_body(namespace),
        *(labelled(body) for body in crds()),
        *(labelled(federated_crd(federated_type(target))) for target in ENABLED),
        config_body(namespace, scope),
        *(body_of(type_config(target, namespace=namespace)) for target in ENABLED),
    ]


def namespace_body(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"name": name}}}


def config_body(namespace: str, scope: str) -> Json:
    return body_of(with_defaults(KubeFedConfig(ObjectMeta(CONFIG, namespace), KubeFedConfigSpec(scope=scope))))


def labelled(crd: Json) -> Json:
    """As Atoll's own: what bears the label is brought up to date, all else is somebody's."""
    return {**crd, "metadata": {**crd["metadata"], "labels": {PART_OF: "atoll"}}}


async def _create(client: Client, resource: Resource, body: Json, tell: Tell, *, dry_run: bool) -> None:
    identity = identify(body)
    try:
        await client.get(resource, identity.name, identity.namespace)
    except NotFound as error:
        if error.unknown_path and dry_run:
            tell(resource.kind.lower(), identity.name, "created")
            return
    else:
        tell(resource.kind.lower(), identity.name, "left as it is")
        return
    try:
        await client.create(resource, body, dry_run=dry_run)
    except AlreadyExists:
        return
    tell(resource.kind.lower(), identity.name, "created")


async def _define(client: Client, body: Json, tell: Tell, *, dry_run: bool) -> None:
    name = body["metadata"]["name"]
    try:
        live = await client.get(CRDS, name)
    except NotFound:
        live = None
    if live is not None and live.labels.get(PART_OF) != "atoll":
        tell("customresourcedefinition", name, "left as it is: another tool brought it")
        return
    applied = await client.apply(CRDS, body, name=name, manager=FIELD_MANAGER, force=True, dry_run=dry_run)
    same = live is not None and live.generation == applied.generation
    tell("customresourcedefinition", name, "created" if live is None else "unchanged" if same else "configured")


async def _until_served(client: Client, crd: Json) -> None:
    """Established, and past the moment in which the server doesn't answer for it yet."""
    spec = crd["spec"]
    path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
    give_up_at = time.monotonic() + SERVED_IN
    while True:
        try:
            await client.request("GET", path, params={"limit": "1"})
        except (NotFound, Unavailable):
            if time.monotonic() > give_up_at:
                raise KubeError(f"{crd['metadata']['name']} is not served after {SERVED_IN:.0f} s") from None
            await asyncio.sleep(LOOK_EVERY)
        else:
            return
