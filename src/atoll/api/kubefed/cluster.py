"""`KubeFedCluster`: a member cluster, with the token to reach it in a Secret beside it."""

from typing import Annotated

import msgspec
from msgspec import Meta

from atoll.api.common import Base
from atoll.api.kubefed.common import TIME, ObjectMeta


class SecretReference(Base, frozen=True):
    """A Secret in the same namespace."""

    name: Annotated[str, Meta(description="The Secret's name; its key token holds a bearer token.")]


class KubeFedClusterSpec(Base, frozen=True):
    """How the member is reached."""

    api_endpoint: Annotated[str, Meta(description="The API server: a host or an address, with port; or a URL.")]
    secret_ref: Annotated[SecretReference, Meta(description="Where the token is.")]
    ca_bundle: Annotated[
        str,
        Meta(
            description="Certificates of the API server's authority, PEM in base64.",
            extra_json_schema={"format": "byte"},
        ),
    ] = ""
    disabled_tls_validations: Annotated[
        tuple[str, ...],
        Meta(description="What isn't checked of its certificate: SubjectName, ValidityPeriod, or * alone for all."),
    ] = msgspec.field(default=(), name="disabledTLSValidations")
    proxy_url: Annotated[str, Meta(description="A proxy for all requests: http, https or socks5.")] = msgspec.field(
        default="", name="proxyURL"
    )


class ClusterCondition(Base, frozen=True):
    """One thing that is known of the member."""

    type: Annotated[str, Meta(description="Ready, Offline or ConfigMalformed.")]
    status: Annotated[str, Meta(description="True, False or Unknown.")]
    last_probe_time: Annotated[str, Meta(description="When it was last looked at.", extra_json_schema=TIME)]
    last_transition_time: Annotated[str, Meta(description="When status last changed.", extra_json_schema=TIME)] = ""
    reason: Annotated[str, Meta(description="Why, in one word.")] = ""
    message: Annotated[str, Meta(description="Why, for a person.")] = ""


class KubeFedClusterStatus(Base, frozen=True):
    """What the control plane found."""

    conditions: Annotated[tuple[ClusterCondition, ...], Meta(description="Whether it is ready.")]
    kubernetes_version: Annotated[str, Meta(description="The member's Kubernetes version.")] = ""
    zones: Annotated[tuple[str, ...], Meta(description="Zones of its nodes.")] = ()
    region: Annotated[str, Meta(description="Region of its nodes.")] = ""


class KubeFedCluster(Base, frozen=True):
    """A member cluster of a KubeFed control plane."""

    metadata: ObjectMeta
    spec: Annotated[KubeFedClusterSpec, Meta(description="How the member is reached.")]
    status: Annotated[KubeFedClusterStatus | None, Meta(description="What the control plane found.")] = None
    api_version: str = "core.kubefed.io/v1beta1"
    kind: str = "KubeFedCluster"
