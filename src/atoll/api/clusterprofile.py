"""`ClusterProfile`: SIG Multicluster's inventory of clusters, which Atoll publishes and others read.

The form is that of kubernetes-sigs/cluster-inventory-api (KEP-4322), version v1alpha1: fields, bounds, list keys and
the one rule are upstream's, so that either project's CRD serves the other's controllers. The words are ours.
"""

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from atoll.api.common import AnyJson, Base, Rule

CLUSTER_MANAGER_LABEL = "x-k8s.io/cluster-manager"
"""On every ClusterProfile: the name of the manager that wrote it."""

_MAP_BY_NAME = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
_TIME = {"format": "date-time"}


class ClusterManager(Base, frozen=True):
    """Who looks after the cluster, and its ClusterProfile."""

    name: Annotated[str, Meta(description="The cluster manager's name: atoll.")]

    shape: ClassVar[tuple[Rule, ...]] = (Rule("self == oldSelf", "ClusterManager is immutable"),)


class ClusterProfileSpec(Base, frozen=True):
    """Whose cluster it is."""

    cluster_manager: Annotated[ClusterManager, Meta(description="Who owns this object; it never changes.")]
    display_name: Annotated[str, Meta(description="The cluster's name for people.")] = ""


class ProfileCondition(Base, frozen=True):
    """One condition, as metav1.Condition."""

    type: Annotated[
        str,
        Meta(
            max_length=316,
            pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
            description="What is said: ControlPlaneHealthy, Joined.",
        ),
    ]
    status: Annotated[
        str, Meta(description="Whether it holds.", extra_json_schema={"enum": ["True", "False", "Unknown"]})
    ]
    reason: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=1024,
            pattern="^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
            description="Why, in one CamelCase word.",
        ),
    ]
    message: Annotated[str, Meta(max_length=32768, description="Why, for a person; may be empty.")]
    last_transition_time: Annotated[str, Meta(description="When status last changed.", extra_json_schema=_TIME)]
    observed_generation: Annotated[int, Meta(ge=0, description="The metadata.generation that this is about.")] = 0


class ProfileVersion(Base, frozen=True):
    """Versions of the cluster."""

    kubernetes: Annotated[str, Meta(description="Its Kubernetes version.")] = ""


class Property(Base, frozen=True):
    """One fact of the cluster: a ClusterProperty (KEP-2149), or one of the manager's own."""

    name: Annotated[str, Meta(min_length=1, max_length=253, description="The property's name.")]
    value: Annotated[str, Meta(min_length=1, max_length=1024, description="Its value.")]
    last_observed_time: Annotated[
        str, Meta(description="When it was seen on the cluster.", extra_json_schema=_TIME)
    ] = ""


class NamedExtension(Base, frozen=True):
    """Something more about the connection, by name."""

    name: Annotated[str, Meta(description="The extension's name.")]
    extension: Annotated[AnyJson, Meta(description="Any object.")]


class AccessCluster(Base, frozen=True):
    """How the API server is reached, as `cluster` in a kubeconfig."""

    server: Annotated[str, Meta(description="The API server's address, https://host:port.")]
    tls_server_name: Annotated[
        str, Meta(description="The name that its certificate is checked for; empty is the host.")
    ] = msgspec.field(default="", name="tls-server-name")
    insecure_skip_tls_verify: Annotated[bool, Meta(description="Its certificate isn't checked: insecure.")] = (
        msgspec.field(default=False, name="insecure-skip-tls-verify")
    )
    certificate_authority: Annotated[str, Meta(description="A file with its authority's certificate.")] = msgspec.field(
        default="", name="certificate-authority"
    )
    certificate_authority_data: Annotated[
        str,
        Meta(
            description="Its authority's certificates, PEM in base64; wins over the file.",
            extra_json_schema={"format": "byte"},
        ),
    ] = msgspec.field(default="", name="certificate-authority-data")
    proxy_url: Annotated[str, Meta(description="A proxy for all requests: http, https or socks5.")] = msgspec.field(
        default="", name="proxy-url"
    )
    disable_compression: Annotated[bool, Meta(description="Responses aren't compressed.")] = msgspec.field(
        default=False, name="disable-compression"
    )
    extensions: Annotated[tuple[NamedExtension, ...], Meta(description="More, by name.")] = ()


class AccessProvider(Base, frozen=True):
    """One way to get access: a plug-in's name, and the connection."""

    name: Annotated[str, Meta(description="The plug-in that gives credentials, such as kubeconfig or oidc.")]
    cluster: Annotated[AccessCluster, Meta(description="How the API server is reached.")] | msgspec.UnsetType = (
        msgspec.UNSET
    )


class ClusterProfileStatus(Base, frozen=True):
    """What the manager knows of the cluster."""

    conditions: Annotated[
        tuple[ProfileCondition, ...],
        Meta(
            description="How the cluster is.",
            extra_json_schema={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = ()
    version: Annotated[ProfileVersion, Meta(description="Its versions.")] | msgspec.UnsetType = msgspec.UNSET
    properties: Annotated[
        tuple[Property, ...], Meta(description="Facts of the cluster, by name.", extra_json_schema=_MAP_BY_NAME)
    ] = ()
    access_providers: Annotated[
        tuple[AccessProvider, ...], Meta(description="Ways to get access, by name.", extra_json_schema=_MAP_BY_NAME)
    ] = ()
    credential_providers: Annotated[
        tuple[AccessProvider, ...],
        Meta(
            description="The old name of accessProviders, which wins where both name a plug-in.",
            extra_json_schema=_MAP_BY_NAME,
        ),
    ] = ()


class ClusterProfileMeta(Base, frozen=True):
    """The parts of a ClusterProfile's metadata that Atoll writes."""

    name: str
    namespace: str
    labels: dict[str, str] = {}


class ClusterProfile(Base, frozen=True):
    """One cluster in a deployment of many."""

    metadata: ClusterProfileMeta
    spec: ClusterProfileSpec
    status: ClusterProfileStatus = ClusterProfileStatus()
    api_version: str = "multicluster.x-k8s.io/v1alpha1"
    kind: str = "ClusterProfile"
