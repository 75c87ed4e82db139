"""`ApplicationDefaults`: what holds for the Applications of a namespace that say nothing of it."""

from typing import Annotated, Any, ClassVar

from msgspec import Meta

from atoll.api.common import Base, Rule, Strict
from atoll.api.failover import Failover
from atoll.api.objects import Json
from atoll.api.placement import Placement, Toleration
from atoll.api.rollout import Rollout

NAME = "default"
"""The only name that one may have: there is one for a namespace, and one in atoll-system for all that have none."""


class DefaultsSpec(Strict, frozen=True):
    """Each field holds for an Application that doesn't give it; one that does gives all of it."""

    placement: Annotated[Placement | None, Meta(description="Where they go.")] = None
    failover: Annotated[Failover | None, Meta(description="What happens when a cluster is lost.")] = None
    tolerations: Annotated[
        Annotated[tuple[Toleration, ...], Meta(max_length=32)] | None,
        Meta(description="Taints of clusters that they tolerate."),
    ] = None
    rollout: Annotated[
        Rollout | None,
        Meta(description="How a change goes from cluster to cluster. Who only gives `paused` has the rest from here."),
    ] = None

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.placement) || has(self.failover) || has(self.tolerations) || has(self.rollout)",
            "says nothing: give placement, failover, tolerations or rollout",
        ),
    )


class DefaultsMeta(Base, frozen=True):
    """The parts of its metadata that Atoll reads."""

    name: str
    namespace: str = ""


class ApplicationDefaults(Base, frozen=True):
    """What holds for the Applications of a namespace that say nothing of it.

    Its name is `default`. One in atoll-system holds for all namespaces, field by field, where their own doesn't say.
    """

    metadata: DefaultsMeta
    spec: DefaultsSpec
    api_version: str = "atoll.dev/v1alpha1"
    kind: str = "ApplicationDefaults"

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule(f"self.metadata.name == '{NAME}'", f"its name is {NAME}: there is one in a namespace"),
    )


def with_defaults(body: Json, *given: Json) -> Json:
    """The Application `body` with what it leaves out, from the specs of defaults, the nearest first."""
    spec: Any = body.get("spec")
    if not isinstance(spec, dict):
        return body
    missing = [name for name in DefaultsSpec.__struct_encode_fields__ if spec.get(name) is None]
    found = {name: one[name] for one in reversed(given) for name in missing if one.get(name) is not None}
    rollout = next((one["rollout"] for one in given if one.get("rollout") is not None), None)
    if rollout is not None and only_pauses(spec.get("rollout")):
        found["rollout"] = rollout | spec["rollout"]
    return body | {"spec": spec | found} if found else body


def only_pauses(rollout: Any) -> bool:
    """It was paused by hand, and says nothing of how it goes on."""
    return isinstance(rollout, dict) and rollout.keys() == {"paused"}
