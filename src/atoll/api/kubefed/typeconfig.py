"""`FederatedTypeConfig`: a type whose objects are to be propagated, and the type that they are written in."""

from typing import Annotated

import msgspec
from msgspec import Meta

from atoll.api.common import Base
from atoll.api.kubefed.common import ObjectMeta
from atoll.api.kubefed.names import NAMESPACES_CONFIG, Scope, Switch


class ApiResource(Base, frozen=True):
    """A type of the API."""

    version: Annotated[str, Meta(description="The version.")]
    kind: Annotated[str, Meta(description="The kind, such as ConfigMap.")]
    plural_name: Annotated[str, Meta(description="The plural, such as configmaps; empty is made from the name.")]
    scope: Annotated[str, Meta(description="Namespaced or Cluster.")]
    group: Annotated[str, Meta(description="The group; empty for the core group.")] = ""

    @property
    def namespaced(self) -> bool:
        return self.scope == Scope.NAMESPACED

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`<plural>[.<group>]`: what a CRD, and a FederatedTypeConfig, is named."""
        return f"{self.plural_name}.{self.group}" if self.group else self.plural_name


class TypeConfigSpec(Base, frozen=True):
    """Which type, and whether."""

    target_type: Annotated[ApiResource, Meta(description="The type of the members' objects.")]
    propagation: Annotated[str, Meta(description="Enabled or Disabled.")]
    federated_type: Annotated[ApiResource, Meta(description="The type that says what members get.")]
    status_type: Annotated[ApiResource | None, Meta(description="The type that holds members' statuses.")] = None
    status_collection: Annotated[
        str, Meta(description="Enabled or Disabled: whether members' statuses are gathered.")
    ] = ""


class TypeConfigStatus(Base, frozen=True):
    """What runs for the type."""

    observed_generation: Annotated[int, Meta(description="The metadata.generation that this is about.")]
    propagation_controller: Annotated[str, Meta(description="Running or NotRunning.")]
    status_controller: Annotated[str, Meta(description="Running or NotRunning; for services only.")] = ""


class FederatedTypeConfig(Base, frozen=True):
    """A type whose objects are propagated to member clusters, named `<plural>[.<group>]`."""

    metadata: ObjectMeta
    spec: Annotated[TypeConfigSpec, Meta(description="Which type, and whether.")]
    status: Annotated[TypeConfigStatus | None, Meta(description="What runs for the type.")] = None
    api_version: str = "core.kubefed.io/v1beta1"
    kind: str = "FederatedTypeConfig"

    @property
    def enabled(self) -> bool:
        return self.spec.propagation == Switch.ENABLED

    @property
    def status_collected(self) -> bool:
        return self.spec.status_collection == Switch.ENABLED

    @property
    def of_namespaces(self) -> bool:
        return self.metadata.name == NAMESPACES_CONFIG

    @property
    def federated_namespaced(self) -> bool:
        """Whether the federated objects live in namespaces: as the target's do, and FederatedNamespaces always."""
        return self.of_namespaces or self.spec.target_type.namespaced


def with_defaults(config: FederatedTypeConfig) -> FederatedTypeConfig:
    """What may be left out is known from the name, and from the kinds."""
    plural, _, group = config.metadata.name.partition(".")
    spec = config.spec
    target, federated, status = spec.target_type, spec.federated_type, spec.status_type
    return msgspec.structs.replace(
        config,
        spec=msgspec.structs.replace(
            spec,
            target_type=msgspec.structs.replace(
                target, plural_name=target.plural_name or plural, group=target.group or group
            ),
            federated_type=msgspec.structs.replace(
                federated, plural_name=federated.plural_name or plural_of(federated.kind)
            ),
            status_type=status
            and msgspec.structs.replace(
                status,
                plural_name=status.plural_name or plural_of(status.kind),
                group=status.group or federated.group,
                version=status.version or federated.version,
            ),
        ),
    )


def plural_of(kind: str) -> str:
    """The plural that KubeFed guesses for `kind`."""
    lower = kind.lower()
    if lower.endswith(("s", "x", "ch", "sh", "z", "o")):
        return f"{lower}es"
    if lower.endswith("y"):
        return f"{lower[:-1]}ies"
    return f"{lower}s"
