"""What an API server or a controller wrote into an object, and no user wants: left out of every manifest.

People paste what `kubectl get -o yaml` shows, and selected objects are live ones. A resource version would be a
conflict, an owner's UID would have the member's garbage collector delete the object, and an annotation that a
controller on the member keeps would be fought over for ever.
"""

from collections.abc import Callable, Iterable

from atoll.api.editing import Path, found, same, without
from atoll.api.editing import changed as changed_at
from atoll.api.names import (
    ANNOTATION_PRUNE,
    ANNOTATION_WAVE,
    APPLYSET_GROUP_KINDS,
    APPLYSET_LABEL_ID,
    APPLYSET_NAMESPACES,
    APPLYSET_TOOLING,
    GROUP,
    LABEL_PART_OF,
)
from atoll.api.objects import Json

Rule = Callable[[Json], Json]
"""Takes an object and gives it without something; the very same one when it has nothing of it."""

SERVER_SET: tuple[Path, ...] = (
    ("status",),
    *(
        ("metadata", field)
        for field in (
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "managedFields",
            "selfLink",
            "ownerReferences",
        )
    ),
)
CONTROLLERS_ANNOTATIONS = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        "deployment.kubernetes.io/revision",
        "deployment.kubernetes.io/revision-history",
        "deployment.kubernetes.io/desired-replicas",
        "deployment.kubernetes.io/max-replicas",
        "deprecated.daemonset.template.generation",
        "batch.kubernetes.io/job-tracking",
        "endpoints.kubernetes.io/last-change-trigger-time",
        "control-plane.alpha.kubernetes.io/leader",
    }
)
OWN_WORDS_OF_USERS = frozenset({ANNOTATION_PRUNE, ANNOTATION_WAVE})
APPLYSET = frozenset({LABEL_PART_OF, APPLYSET_LABEL_ID, APPLYSET_TOOLING, APPLYSET_GROUP_KINDS, APPLYSET_NAMESPACES})
EMBEDDED: tuple[Path, ...] = (
    ("spec", "template"),
    ("spec", "jobTemplate"),
    ("spec", "jobTemplate", "spec", "template"),
)
CREATED = ("metadata", "creationTimestamp")


def drop_server_set(body: Json) -> Json:
    for path in SERVER_SET:
        body = without(body, path)
    return body


def drop_controllers_annotations(body: Json) -> Json:
    return without_keys(body, ("metadata", "annotations"), lambda key: key in CONTROLLERS_ANNOTATIONS)


def drop_bookkeeping(body: Json) -> Json:
    """Atoll's and ApplySet's own marks: of another application, or of this one on a member."""
    for field in ("labels", "annotations"):
        body = without_keys(body, ("metadata", field), _is_bookkeeping)
    return body


def drop_empty_timestamps(body: Json) -> Json:
    """`creationTimestamp: null` in templates: written by generators, dropped by every server, a difference for ever."""
    for path in EMBEDDED:
        template = found(body, path)
        if isinstance(template, dict) and (shorter := without(template, CREATED)) is not template:
            body = changed_at(body, path, shorter)
    return _clean_claim_templates(body)


def without_keys(body: Json, path: Path, unwanted: Callable[[str], bool]) -> Json:
    """The object without some keys of the map at `path`, and without the map when nothing is left in it."""
    old = found(body, path)
    if not isinstance(old, dict) or not any(unwanted(key) for key in old):
        return body
    new = {key: value for key, value in old.items() if not unwanted(key)}
    return changed_at(body, path, new) if new else without(body, path)


def _is_bookkeeping(key: str) -> bool:
    return (key.startswith(f"{GROUP}/") and key not in OWN_WORDS_OF_USERS) or key in APPLYSET


def _clean_claim_templates(body: Json) -> Json:
    """A StatefulSet's claims come back from the server with a status each."""
    claims = found(body, ("spec", "volumeClaimTemplates"))
    if not isinstance(claims, list):
        return body
    clean = [without(without(c, ("status",)), CREATED) if isinstance(c, dict) else c for c in claims]
    return body if same(claims, clean) else changed_at(body, ("spec", "volumeClaimTemplates"), clean)


RULES: tuple[Rule, ...] = (drop_server_set, drop_controllers_annotations, drop_bookkeeping, drop_empty_timestamps)


def cleaned(body: Json, rules: Iterable[Rule] = RULES) -> Json:
    """`body` without what only servers write."""
    for rule in rules:
        body = rule(body)
    return body
