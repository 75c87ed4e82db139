"""`PropagatedVersion`, `ClusterPropagatedVersion` and `FederatedServiceStatus`: what KubeFed keeps beside objects."""

from typing import Annotated

from msgspec import Meta

from atoll.api.common import AnyJson, Base
from atoll.api.kubefed.common import ObjectMeta
from atoll.api.schema import PRESERVE


class ClusterVersion(Base, frozen=True):
    """What one cluster answered to the last write."""

    cluster_name: Annotated[str, Meta(description="The KubeFedCluster.")]
    version: Annotated[str, Meta(description="gen: and a generation, or rv: and a resourceVersion.")]


class PropagatedVersionStatus(Base, frozen=True):
    """Which version of a federated object members have."""

    template_version: Annotated[str, Meta(description="MD5 of the template.")]
    overrides_version: Annotated[str, Meta(description="MD5 of the overrides.")]
    cluster_versions: Annotated[tuple[ClusterVersion, ...], Meta(description="What was last written, by cluster.")] = ()


class PropagatedVersion(Base, frozen=True):
    """Which version of a namespaced federated object members have; named `<target kind>-<name>`."""

    metadata: ObjectMeta
    status: Annotated[PropagatedVersionStatus | None, Meta(description="The versions.")] = None
    api_version: str = "core.kubefed.io/v1alpha1"
    kind: str = "PropagatedVersion"


class ClusterPropagatedVersion(Base, frozen=True):
    """Which version of a cluster-scoped federated object members have; named `<target kind>-<name>`."""

    metadata: ObjectMeta
    status: Annotated[PropagatedVersionStatus | None, Meta(description="The versions.")] = None
    api_version: str = "core.kubefed.io/v1alpha1"
    kind: str = "ClusterPropagatedVersion"


class ServiceInCluster(Base, frozen=True):
    """The status of a Service in one cluster."""

    cluster_name: Annotated[str, Meta(description="The KubeFedCluster.")]
    status: Annotated[AnyJson, Meta(description="The Service's status.", extra_json_schema={PRESERVE: True})]


class FederatedServiceStatus(Base, frozen=True):
    """The statuses of a FederatedService's Services, as the old status controller gathers them."""

    metadata: ObjectMeta
    cluster_status: Annotated[tuple[ServiceInCluster, ...], Meta(description="The statuses, by cluster.")] = ()
    api_version: str = "core.kubefed.io/v1alpha1"
    kind: str = "FederatedServiceStatus"
