"""What a KubeFedConfig means where it says nothing."""

from typing import TypeVar

import msgspec

from atoll.api.common import Base
from atoll.api.kubefed import godurations
from atoll.api.kubefed.config import (
    Durations,
    FeatureGate,
    HealthCheck,
    KubeFedConfig,
    KubeFedConfigSpec,
    LeaderElect,
    StatusController,
    SyncController,
)
from atoll.api.kubefed.names import Gate, Lock, Switch

T = TypeVar("T", bound=Base)

DURATIONS = Durations("20s", "1m0s", "5m0s")
LEADER_ELECT = LeaderElect("15s", "10s", "5s", Lock.CONFIGMAPS.value)
HEALTH_CHECK = HealthCheck("10s", 3, 1, "3s")
SYNC_CONTROLLER = SyncController(1, Switch.ENABLED.value)
STATUS_CONTROLLER = StatusController(1)
GATES = {
    Gate.PUSH_RECONCILER: Switch.ENABLED,
    Gate.RAW_RESOURCE_STATUS_COLLECTION: Switch.DISABLED,
    Gate.SCHEDULER_PREFERENCES: Switch.ENABLED,
}


def with_defaults(config: KubeFedConfig) -> KubeFedConfig:
    """Complete; the same object when it was.

    Feature gates come in the order of their names. What is changed is written as KubeFed writes it: durations in Go's
    own form. One that is none stays as it is, for `validation` to name.
    """
    spec = config.spec
    complete = msgspec.structs.replace(
        spec,
        controller_duration=_filled(spec.controller_duration, DURATIONS),
        leader_elect=_filled(spec.leader_elect, LEADER_ELECT),
        feature_gates=_gates(spec.feature_gates or ()),
        cluster_health_check=_filled(spec.cluster_health_check, HEALTH_CHECK),
        sync_controller=_filled(spec.sync_controller, SYNC_CONTROLLER),
        status_controller=_filled(spec.status_controller, STATUS_CONTROLLER),
    )
    return config if complete == spec else msgspec.structs.replace(config, spec=_rewritten(complete))


def _filled(given: T | None, defaults: T) -> T:
    if given is None:
        return defaults
    missing = {name: getattr(defaults, name) for name in given.__struct_fields__ if getattr(given, name) is None}
    return msgspec.structs.replace(given, **missing)


def _gates(given: tuple[FeatureGate, ...]) -> tuple[FeatureGate, ...]:
    named = {gate.name for gate in given}
    missing = (FeatureGate(name.value, switch.value) for name, switch in GATES.items() if name not in named)
    return tuple(sorted((*given, *missing), key=lambda gate: gate.name))


def _rewritten(spec: KubeFedConfigSpec) -> KubeFedConfigSpec:
    return msgspec.structs.replace(
        spec,
        controller_duration=_in_form(spec.controller_duration),
        leader_elect=_in_form(spec.leader_elect),
        cluster_health_check=_in_form(spec.cluster_health_check),
    )


_NO_DURATION = frozenset({"resource_lock"})


def _in_form(given: T | None) -> T | None:
    if given is None:
        return None
    texts = {
        name: _in_go(value)
        for name in given.__struct_fields__
        if name not in _NO_DURATION and isinstance(value := getattr(given, name), str)
    }
    return msgspec.structs.replace(given, **texts)


def _in_go(text: str) -> str:
    try:
        return godurations.written(godurations.nanoseconds(text))
    except ValueError:
        return text
