"""Types that several kinds share: bounded strings and maps, label selectors, conditions."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta


class Base(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What every API struct is: frozen, camelCase on the wire, defaults left out."""


class Strict(Base, frozen=True, forbid_unknown_fields=True):
    """A part of a spec: an unknown field is an error that names it."""


Name = Annotated[str, Meta(min_length=1, max_length=253)]
ShortText = Annotated[str, Meta(max_length=256)]
LabelValue = Annotated[str, Meta(max_length=63)]
LabelKey = Annotated[str, Meta(max_length=317)]
Labels = Annotated[dict[str, LabelValue], Meta(max_length=64)]
Annotations = Annotated[dict[str, Annotated[str, Meta(max_length=4096)]], Meta(max_length=64)]
Expression = Annotated[str, Meta(min_length=1, max_length=2048)]
AnyJson = dict[str, Any]


class SelectorRequirement(Strict, frozen=True):
    """One condition on a label."""

    key: Annotated[str, Meta(min_length=1, max_length=317, description="The label's key.")]
    operator: Annotated[
        Literal["In", "NotIn", "Exists", "DoesNotExist"], Meta(description="How the label's value is compared.")
    ]
    values: Annotated[
        tuple[LabelValue, ...], Meta(max_length=64, description="Values for In and NotIn; empty for the others.")
    ] = ()


class LabelSelector(Strict, frozen=True):
    """A Kubernetes label selector: all that is given must hold."""

    match_labels: Annotated[Labels, Meta(description="Labels that must have these values.")] = {}
    match_expressions: Annotated[
        tuple[SelectorRequirement, ...], Meta(max_length=32, description="Conditions on labels.")
    ] = ()


class Condition(Base, frozen=True):
    """One condition of a status, as metav1.Condition."""

    type: Annotated[str, Meta(min_length=1, max_length=316, description="What is said.")]
    status: Annotated[Literal["True", "False", "Unknown"], Meta(description="Whether it holds.")]
    reason: Annotated[str, Meta(max_length=1024, description="Why, in one CamelCase word.")] = ""
    message: Annotated[str, Meta(max_length=1024, description="Why, for a person.")] = ""
    last_transition_time: Annotated[
        str, Meta(max_length=32, description="When status last changed, RFC 3339.")
    ] = ""
    observed_generation: Annotated[int, Meta(description="The metadata.generation that this is about.")] = 0
