"""Objects that a leader holds: a Lease, or what older programs take, a ConfigMap or Endpoints with an annotation.

Whatever the object, the record in it is known here by a Lease's names.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from atoll.api.objects import Json
from atoll.kube.objects import Resource
from atoll.kube.resources import CONFIGMAPS, ENDPOINTS, LEASES

ANNOTATION = "control-plane.alpha.kubernetes.io/leader"
"""Of client-go's resourcelock, before Leases; removed there in 0.24, and still what KubeFed holds."""


class Lock(NamedTuple):
    """A kind of object to hold. `read` gives the record in a body, {} when there is none; `written` a body with it."""

    resource: Resource
    read: Callable[[Json], Json]
    written: Callable[[Json, Json], Json]


def _annotation(body: Json) -> Json:
    text = ((body.get("metadata") or {}).get("annotations") or {}).get(ANNOTATION) or "{}"
    try:
        record = msgspec.json.decode(text, type=dict)
    except msgspec.DecodeError:
        return {}
    transitions = record.pop("leaderTransitions", 0)
    return {**record, "leaseTransitions": transitions} if record else {}


def _annotated(body: Json, record: Json) -> Json:
    """As client-go writes it: whole seconds, and this order."""
    text = msgspec.json.encode(
        {
            "holderIdentity": record["holderIdentity"],
            "leaseDurationSeconds": record["leaseDurationSeconds"],
            "acquireTime": _whole(record["acquireTime"]),
            "renewTime": _whole(record["renewTime"]),
            "leaderTransitions": record["leaseTransitions"],
        }
    ).decode()
    metadata = body.get("metadata") or {}
    annotations = {**(metadata.get("annotations") or {}), ANNOTATION: text}
    return {**body, "metadata": {**metadata, "annotations": annotations}}


def _whole(moment: str) -> str:
    return f"{moment.partition('.')[0].removesuffix('Z')}Z"


LEASE = Lock(LEASES, lambda body: body.get("spec") or {}, lambda body, record: {**body, "spec": record})
CONFIGMAP = Lock(CONFIGMAPS, _annotation, _annotated)
ENDPOINT = Lock(ENDPOINTS, _annotation, _annotated)
