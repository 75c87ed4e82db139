"""`enable`: a type's objects can be federated from now on."""

import asyncio
import time
from typing import NamedTuple

from atoll.api.kubefed.definitions import federated_crd
from atoll.api.kubefed.names import NAMESPACE, TYPES_GROUP, TYPES_VERSION
from atoll.api.kubefed.typeconfig import ApiResource, FederatedTypeConfig
from atoll.api.kubefed.types import TargetType, body_of, federated_type, type_config
from atoll.api.objects import Json
from atoll.install.kinds import InstallError
from atoll.install.kinds import served as is_served
from atoll.install.kubefed.served import ServedType, chosen, described, existing, served_types
from atoll.install.kubefed.voice import Voice
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.kubefed_resources import FEDERATEDTYPECONFIGS
from atoll.kube.resources import CRDS, NAMESPACES

SERVED_IN = 10.0
"""Seconds that a new kind is waited for: objects of it can be made at once when the command has ended."""

_APPS = ("apps/v1", "apps/v1beta1", "apps/v1beta2")
EQUIVALENT = {
    "deployments": {*_APPS, "extensions/v1beta1"},
    "daemonsets": {*_APPS, "extensions/v1beta1"},
    "statefulsets": {*_APPS},
    "replicasets": {*_APPS, "extensions/v1beta1"},
    "networkpolicies": {"networking.k8s.io/v1", "extensions/v1beta1"},
    "podsecuritypolicies": {"policy/v1beta1", "extensions/v1beta1"},
    "ingresses": {"networking.k8s.io/v1beta1", "extensions/v1beta1"},
}
"""The same objects under several names of the API: two controllers would fight over them."""


class Directive(NamedTuple):
    """What is to be enabled, and as what."""

    name: str
    version: str = ""
    federated_group: str = TYPES_GROUP
    federated_version: str = TYPES_VERSION


class Enabling(NamedTuple):
    """The objects that enable a type."""

    target: TargetType
    config: FederatedTypeConfig
    crd: Json


async def prepared(client: Client, directive: Directive, namespace: str = NAMESPACE) -> Enabling:
    """What `enable` would create. Raises InstallError when there is no such type, or more than one."""
    served = chosen(await served_types(client), directive.name, directive.version)
    return await of_type(client, served, directive, namespace)


async def of_type(client: Client, served: ServedType, directive: Directive, namespace: str) -> Enabling:
    target = await described(client, served)
    group, version = directive.federated_group, directive.federated_version
    config = type_config(target, namespace=namespace, group=group, version=version)
    return Enabling(target, config, federated_crd(federated_type(target, group=group, version=version)))


async def enable(client: Client, wanted: Enabling, voice: Voice, *, dry_run: bool = False) -> None:
    """Define the federated type and configure its propagation. Raises InstallError when the type is taken."""
    config, namespace, name = wanted.config, wanted.config.metadata.namespace, wanted.config.metadata.name
    try:
        await client.get(NAMESPACES, namespace)
    except NotFound as error:
        raise InstallError(f'KubeFed system namespace "{namespace}" does not exist: {error}') from error
    before = await existing(client, FEDERATEDTYPECONFIGS, name, namespace)
    if before is not None:
        _check_same(before.read(FederatedTypeConfig), config)
    await _define(client, wanted, voice, dry_run=dry_run)
    if not dry_run:
        body = body_of(config)
        if before is None:
            await client.create(FEDERATEDTYPECONFIGS, body)
        else:
            await client.patch(FEDERATEDTYPECONFIGS, name, namespace, {"spec": body["spec"]})
    done = "created" if before is None else "updated"
    voice.result(f"federatedtypeconfig.core.kubefed.io/{name} {done} in namespace {namespace}")


def _check_same(existing: FederatedTypeConfig, wanted: FederatedTypeConfig) -> None:
    before, after = existing.spec.federated_type, wanted.spec.federated_type
    if (before.qualified, before.version) != (after.qualified, after.version):
        raise InstallError(
            f'"{_named(existing.spec.target_type)}" is federated as "{_named(before)}" already; '
            f'that can\'t be changed to "{_named(after)}"',
            f"disable it first: kubefedctl disable {existing.metadata.name}",
        )


def _named(resource: ApiResource) -> str:
    return f"{resource.qualified}/{resource.version}"


async def _define(client: Client, wanted: Enabling, voice: Voice, *, dry_run: bool) -> None:
    name = wanted.crd["metadata"]["name"]
    try:
        there = await client.get(CRDS, name)
    except NotFound:
        if not dry_run:
            await client.create(CRDS, wanted.crd)
            await _until_served(client, name)
        voice.result(f"customresourcedefinition.apiextensions.k8s.io/{name} created")
        return
    await _check_free(client, wanted, name)
    if not dry_run:
        await client.replace(CRDS, {**there.body(), "spec": wanted.crd["spec"]})
    voice.result(f"customresourcedefinition.apiextensions.k8s.io/{name} updated")


async def _check_free(client: Client, wanted: Enabling, crd: str) -> None:
    """Whether another FederatedTypeConfig has the same federated type, or the same objects."""
    config = wanted.config
    for live in (await client.list(FEDERATEDTYPECONFIGS, config.metadata.namespace)).items:
        other = live.read(FederatedTypeConfig)
        if equivalent(other.spec.target_type, config.spec.target_type):
            raise InstallError(
                f'Failed to enable "{_named(config.spec.target_type)}": FederatedTypeConfig '
                f'"{live.namespace}/{live.name}" federates the same objects as "{_named(other.spec.target_type)}"'
            )
        if live.name != config.metadata.name and other.spec.federated_type.qualified == crd:
            raise InstallError(
                f'Failed to enable "{config.metadata.name}": FederatedTypeConfig "{live.name}" has the federated type '
                f'"{crd}" already',
                "where both are different types of the same kind, give this one another --federated-group",
            )


def equivalent(existing: ApiResource, new: ApiResource) -> bool:
    """Whether both are names of the same objects, and not the same name."""
    same = EQUIVALENT.get(existing.plural_name, set())
    return (
        existing.plural_name == new.plural_name and existing.api_version != new.api_version and new.api_version in same
    )


async def _until_served(client: Client, name: str) -> None:
    give_up_at = time.monotonic() + SERVED_IN
    while not await is_served(client, name):
        if time.monotonic() > give_up_at:
            raise InstallError(f"{name} is not served after {SERVED_IN:.0f} s", f"kubectl describe crd {name}")
        await asyncio.sleep(0.05)
    client.discovery.invalidate()
