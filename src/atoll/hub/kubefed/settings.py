"""A KubeFedConfig: read, completed and written back, and what of it is heeded here."""

import msgspec
import structlog

from atoll.api.kubefed import godurations
from atoll.api.kubefed.config import KubeFedConfig, KubeFedConfigSpec
from atoll.api.kubefed.defaulting import GATES, HEALTH_CHECK, with_defaults
from atoll.api.kubefed.names import CONFIG, Gate, Scope, Switch
from atoll.hub.kubefed.ensuring import config_body
from atoll.kube.client import Client
from atoll.kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from atoll.kube.kubefed_resources import KUBEFEDCONFIGS
from atoll.kube.objects import Object

log = structlog.get_logger(__name__)


class Settings(msgspec.Struct, frozen=True):
    """What a control plane was told. Seconds; `namespace` is the control plane's own.

    limited: it works for its own namespace only. away, back: how long a member is away, or back, before that is said.
    """

    namespace: str
    limited: bool = False
    adopt: bool = True
    raw_status: bool = False
    push: bool = True
    preferences: bool = True
    away: float = 20.0
    back: float = 0.0

    @property
    def watched(self) -> str:
        """The namespace whose objects are looked at; "" is all of them."""
        return self.namespace if self.limited else ""


def settings(namespace: str, spec: KubeFedConfigSpec) -> Settings:
    """What `spec`, with its defaults, means. Raises ValueError for a duration that is none."""
    gates = {name.value: switch.value for name, switch in GATES.items()}
    gates |= {gate.name: gate.configuration for gate in spec.feature_gates or ()}
    check = spec.cluster_health_check or HEALTH_CHECK
    period = godurations.seconds(check.period or HEALTH_CHECK.period or "10s")
    sync = spec.sync_controller
    return Settings(
        namespace=namespace,
        limited=spec.scope == Scope.NAMESPACED,
        adopt=sync is None or sync.adopt_resources != Switch.DISABLED,
        raw_status=gates[Gate.RAW_RESOURCE_STATUS_COLLECTION.value] == Switch.ENABLED,
        push=gates[Gate.PUSH_RECONCILER.value] == Switch.ENABLED,
        preferences=gates[Gate.SCHEDULER_PREFERENCES.value] == Switch.ENABLED,
        away=period * max(0, (check.failure_threshold or 1) - 1),
        back=period * max(0, (check.success_threshold or 1) - 1),
    )


async def configured(client: Client, namespace: str) -> KubeFedConfig:
    """The control plane's KubeFedConfig, completed on the hub, too; made where there is none. Raises KubeError."""
    while True:
        try:
            live = await client.get(KUBEFEDCONFIGS, CONFIG, namespace)
        except NotFound:
            try:
                live = await client.create(KUBEFEDCONFIGS, config_body(namespace, Scope.CLUSTER.value))
            except AlreadyExists:
                continue
            return complete(live)
        config = complete(live)
        if msgspec.to_builtins(config.spec) == (live.body().get("spec") or {}):
            return config
        try:
            await client.replace(KUBEFEDCONFIGS, {**live.body(), "spec": msgspec.to_builtins(config.spec)})
        except Conflict:
            continue
        except KubeError as error:  # who may not write it may read it
            log.warning("KubeFedConfig not completed", error=str(error))
        return config


def complete(live: Object) -> KubeFedConfig:
    """Raises ValueError when it can't be read."""
    return with_defaults(live.read(KubeFedConfig))
