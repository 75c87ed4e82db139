"""Which type a target type is federated as, and what a fresh control plane propagates: KubeFed's chart's choice."""

from typing import NamedTuple

import msgspec

from atoll.api.kubefed.cluster import KubeFedCluster
from atoll.api.kubefed.common import ObjectMeta
from atoll.api.kubefed.config import KubeFedConfig
from atoll.api.kubefed.definitions import FederatedType
from atoll.api.kubefed.names import NAMESPACE, NAMESPACES_CONFIG, TYPES_GROUP, TYPES_VERSION, Scope, Switch
from atoll.api.kubefed.typeconfig import ApiResource, FederatedTypeConfig, TypeConfigSpec
from atoll.api.objects import Json


class TargetType(NamedTuple):
    """A type that a server has. `scalable`: its `spec.replicas` is an int32. `described`: its fields are known."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    scalable: bool = False
    described: bool = True

    @property
    def qualified(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


ENABLED = (
    TargetType("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False),
    TargetType("", "v1", "ConfigMap", "configmaps", short_names=("cm",)),
    TargetType("apps", "v1", "Deployment", "deployments", short_names=("deploy",), scalable=True),
    TargetType("networking.k8s.io", "v1", "Ingress", "ingresses", short_names=("ing",)),
    TargetType("batch", "v1", "Job", "jobs"),
    TargetType("", "v1", "Namespace", NAMESPACES_CONFIG, namespaced=False, short_names=("ns",)),
    TargetType("apps", "v1", "ReplicaSet", "replicasets", short_names=("rs",), scalable=True),
    TargetType("", "v1", "Secret", "secrets"),
    TargetType("", "v1", "ServiceAccount", "serviceaccounts", short_names=("sa",)),
    TargetType("", "v1", "Service", "services", short_names=("svc",)),
)


def type_config(
    target: TargetType, *, namespace: str = NAMESPACE, group: str = TYPES_GROUP, version: str = TYPES_VERSION
) -> FederatedTypeConfig:
    """The FederatedTypeConfig of `target`, propagated as Federated<Kind> of `group` and `version`."""
    federated = federated_type(target, group=group, version=version)
    return FederatedTypeConfig(
        metadata=ObjectMeta(name=target.qualified, namespace=namespace),
        spec=TypeConfigSpec(
            target_type=ApiResource(
                group=target.group,
                version=target.version,
                kind=target.kind,
                plural_name=target.plural,
                scope=_scope(namespaced=target.namespaced),
            ),
            propagation=Switch.ENABLED.value,
            federated_type=ApiResource(
                group=group,
                version=version,
                kind=federated.kind,
                plural_name=federated.plural,
                scope=_scope(namespaced=federated.namespaced),
            ),
        ),
    )


def federated_type(target: TargetType, *, group: str = TYPES_GROUP, version: str = TYPES_VERSION) -> FederatedType:
    """The Federated<Kind> of `target`. A FederatedNamespace lives in the namespace that it is about."""
    return FederatedType(
        group=group,
        version=version,
        kind=f"Federated{target.kind}",
        plural=f"federated{target.plural}",
        namespaced=target.namespaced or target.qualified == NAMESPACES_CONFIG,
        short_names=tuple(f"f{name}" for name in target.short_names),
        template=target.described,
        retains_replicas=target.scalable,
    )


def body_of(one: FederatedTypeConfig | KubeFedCluster | KubeFedConfig) -> Json:
    body: Json = msgspec.json.decode(msgspec.json.encode(one))
    return {"apiVersion": one.api_version, "kind": one.kind, **body}


def _scope(*, namespaced: bool) -> str:
    return (Scope.NAMESPACED if namespaced else Scope.CLUSTER).value
