"""What all of KubeFed's kinds share."""

from typing import Annotated

from msgspec import Meta

from atoll.api.common import AnyJson, Base

TIME = {"format": "date-time"}


class ObjectMeta(Base, frozen=True):
    """The parts of an object's metadata that are read and written. `namespace` is "" for cluster-scoped kinds."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[AnyJson, ...] = ()
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


class SelectorRequirement(Base, frozen=True):
    """One condition on a label. An operator that nobody knows makes the whole selector an error, when it is used."""

    key: Annotated[str, Meta(description="The label's key.")]
    operator: Annotated[str, Meta(description="In, NotIn, Exists or DoesNotExist.")]
    values: Annotated[tuple[str, ...], Meta(description="Values for In and NotIn; empty for the others.")] = ()


class ClusterSelector(Base, frozen=True):
    """A label selector over KubeFedClusters. One that is empty selects all of them."""

    match_labels: Annotated[dict[str, str], Meta(description="Labels that must have these values.")] = {}
    match_expressions: Annotated[tuple[SelectorRequirement, ...], Meta(description="Conditions on labels.")] = ()
