"""Every kind without a rule of its own: kstatus's conditions, and the ones that most controllers publish.

kstatus: https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
"""

import msgspec

from atoll.api.objects import Json
from atoll.api.observation import ObjectHealth
from atoll.observe.reading import (
    ABSENT,
    by_condition,
    conditions_of,
    healthy,
    number,
    progressing,
    spec_of,
    stale,
    status_of,
)


def by_conditions(body: Json) -> ObjectHealth:
    """No status at all is Healthy: there is nothing to wait for (ConfigMaps, Roles, resources without a controller)."""
    return _with_replicas(body, _by_conditions(body))


def _by_conditions(body: Json) -> ObjectHealth:
    if not isinstance(body.get("status"), dict):
        return healthy()
    conditions = conditions_of(body)
    if behind := stale(body):
        return behind
    if (stalled := conditions.get("Stalled", ABSENT)).true:
        return by_condition("Degraded", stalled, "Stalled")
    if (reconciling := conditions.get("Reconciling", ABSENT)).true:
        return progressing("Reconciling", reconciling.message)
    if (failed := conditions.get("Failed", ABSENT)).true:
        return by_condition("Degraded", failed, "Failed")
    if "Ready" not in conditions:
        return healthy()
    ready = conditions["Ready"]
    if isinstance(ready.generation, int) and ready.generation < number(body.get("metadata") or {}, "generation"):
        return progressing("Reconciling", "its condition Ready is about an older generation")
    if ready.true:
        return healthy()
    return by_condition("Progressing", ready, "NotReady") if ready.false else progressing("Reconciling", ready.message)


def _with_replicas(body: Json, health: ObjectHealth) -> ObjectHealth:
    """Kinds that scale as Deployments do (rollouts, operators' databases) count with them."""
    desired, status = spec_of(body).get("replicas"), status_of(body)
    ready = status.get("readyReplicas", 0 if "replicas" in status else None)
    if type(desired) is not int or type(ready) is not int:
        return health
    return msgspec.structs.replace(health, ready=min(ready, desired), desired=desired)
