"""`KubeFedConfig`: how a control plane is to work. Durations are Go's: `20s`, `1m30s`."""

from typing import Annotated

from msgspec import Meta

from atoll.api.common import Base
from atoll.api.kubefed.common import ObjectMeta


class Durations(Base, frozen=True):
    """How long things may take."""

    available_delay: Annotated[str | None, Meta(description="Until a cluster that became ready is used.")] = None
    unavailable_delay: Annotated[str | None, Meta(description="Until a cluster that is lost is given up.")] = None
    cache_sync_timeout: Annotated[str | None, Meta(description="Until caches that don't fill are an error.")] = None


class LeaderElect(Base, frozen=True):
    """How the leader is found among several processes."""

    lease_duration: Annotated[
        str | None, Meta(description="How old a leader's last renewal is when others may take over.")
    ] = None
    renew_deadline: Annotated[
        str | None, Meta(description="How long a leader tries to renew before it stops leading.")
    ] = None
    retry_period: Annotated[str | None, Meta(description="Time between two tries.")] = None
    resource_lock: Annotated[
        str | None, Meta(description="What kind of object the lock is: configmaps or endpoints.")
    ] = None


class FeatureGate(Base, frozen=True):
    """One feature, on or off."""

    name: Annotated[str, Meta(description="PushReconciler, RawResourceStatusCollection or SchedulerPreferences.")]
    configuration: Annotated[str, Meta(description="Enabled or Disabled.")]


class HealthCheck(Base, frozen=True):
    """How members are looked at."""

    period: Annotated[str | None, Meta(description="Time between two looks.")] = None
    failure_threshold: Annotated[
        int | None, Meta(description="Failures in a row that make a ready cluster a failed one.")
    ] = None
    success_threshold: Annotated[
        int | None, Meta(description="Successes in a row that make a failed cluster a ready one.")
    ] = None
    timeout: Annotated[str | None, Meta(description="How long one look may take.")] = None


class SyncController(Base, frozen=True):
    """How objects are propagated."""

    max_concurrent_reconciles: Annotated[
        int | None, Meta(description="Objects of a type that are worked on at a time.")
    ] = None
    adopt_resources: Annotated[
        str | None, Meta(description="Enabled or Disabled: whether objects that members had before are taken over.")
    ] = None


class StatusController(Base, frozen=True):
    """How members' statuses are gathered."""

    max_concurrent_reconciles: Annotated[
        int | None, Meta(description="Objects of a type that are worked on at a time.")
    ] = None


class KubeFedConfigSpec(Base, frozen=True):
    """How a control plane is to work."""

    scope: Annotated[
        str, Meta(description="Cluster, or Namespaced: only the control plane's own namespace. It never changes.")
    ]
    controller_duration: Annotated[Durations | None, Meta(description="How long things may take.")] = None
    leader_elect: Annotated[LeaderElect | None, Meta(description="How the leader is found.")] = None
    feature_gates: Annotated[tuple[FeatureGate, ...] | None, Meta(description="Features, on or off.")] = None
    cluster_health_check: Annotated[HealthCheck | None, Meta(description="How members are looked at.")] = None
    sync_controller: Annotated[SyncController | None, Meta(description="How objects are propagated.")] = None
    status_controller: Annotated[StatusController | None, Meta(description="How statuses are gathered.")] = None


class KubeFedConfig(Base, frozen=True):
    """How a KubeFed control plane is to work: one a namespace, named kubefed."""

    metadata: ObjectMeta
    spec: Annotated[KubeFedConfigSpec, Meta(description="How it is to work.")]
    api_version: str = "core.kubefed.io/v1beta1"
    kind: str = "KubeFedConfig"
