"""Types that several kinds share: bounded strings and maps, label selectors, conditions, rules of shape."""

import re
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import msgspec
from msgspec import Meta

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
"""What may stand in a label, as a whole."""


class Rule(NamedTuple):
    """What a struct's fields must be together, in CEL over `self`.

    The text is written once and enforced twice: by the API server (the CRDs carry it as `x-kubernetes-validations`)
    and, before anything is sent, by `validate()`. So it keeps to what both dialects know. `field`, such as `.total`, is
    where the error points; empty is the struct itself.
    """

    rule: str
    message: str
    field: str = ""


class Base(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What every API struct is: frozen, camelCase on the wire, defaults left out."""

    shape: ClassVar[tuple[Rule, ...]] = ()


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

IDENTITY_PATHS = (
    "/apiVersion",
    "/kind",
    "/status",
    *(
        f"/metadata/{part}"
        for part in (
            "name",
            "namespace",
            "uid",
            "generateName",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "deletionTimestamp",
            "ownerReferences",
            "managedFields",
        )
    ),
)
"""Where a patch would make another object of it, or write what the API server owns."""

JSON_POINTER = "^(/([^~/]|~[01])*)+$"
"""RFC 6901, without the empty pointer: that is the whole object."""


def pointer_rules(field: str, *, unless: str = "false") -> tuple[Rule, Rule]:
    """`field` is a JSON pointer, and not to what an object's identity is; `unless` is when the second doesn't count."""
    at = f"self.{field}"
    listed = ", ".join(f"'{path}'" for path in IDENTITY_PATHS)
    return (
        Rule(
            f"!has({at}) || {at} == '' || {at}.matches('{JSON_POINTER}')",
            "is no JSON pointer: it starts with /, and inside a part ~ is written ~0 and / is written ~1",
            f".{field}",
        ),
        Rule(
            f"{unless} || !has({at}) || !({at} in ['/', '/metadata'] || "
            f"[{listed}].exists(p, {at} == p || {at}.startsWith(p + '/')))",
            "is part of the object's identity, or the API server's: name, namespace, kind, apiVersion, status and the "
            "like can't be changed here",
            f".{field}",
        ),
    )


class SelectorRequirement(Strict, frozen=True):
    """One condition on a label."""

    key: Annotated[str, Meta(min_length=1, max_length=317, description="The label's key.")]
    operator: Annotated[
        Literal["In", "NotIn", "Exists", "DoesNotExist"], Meta(description="How the label's value is compared.")
    ]
    values: Annotated[
        tuple[LabelValue, ...], Meta(max_length=64, description="Values for In and NotIn; empty for the others.")
    ] = ()

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 "
            ": !has(self.values) || size(self.values) == 0",
            "In and NotIn need values; Exists and DoesNotExist take none",
            ".values",
        ),
    )


class LabelSelector(Strict, frozen=True):
    """A Kubernetes label selector: all that is given must hold."""

    match_labels: Annotated[Labels, Meta(description="Labels that must have these values.")] = {}
    match_expressions: Annotated[
        tuple[SelectorRequirement, ...], Meta(max_length=32, description="Conditions on labels.")
    ] = ()

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.matchLabels) && size(self.matchLabels) > 0) || "
            "(has(self.matchExpressions) && size(self.matchExpressions) > 0)",
            "an empty selector says nothing: give matchLabels or matchExpressions",
        ),
    )


class Condition(Base, frozen=True):
    """One condition of a status, as metav1.Condition."""

    type: Annotated[str, Meta(min_length=1, max_length=316, description="What is said.")]
    status: Annotated[Literal["True", "False", "Unknown"], Meta(description="Whether it holds.")]
    reason: Annotated[str, Meta(max_length=1024, description="Why, in one CamelCase word.")] = ""
    message: Annotated[str, Meta(max_length=1024, description="Why, for a person.")] = ""
    last_transition_time: Annotated[str, Meta(max_length=32, description="When status last changed, RFC 3339.")] = ""
    observed_generation: Annotated[int, Meta(description="The metadata.generation that this is about.")] = 0
