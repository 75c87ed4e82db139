"""`validate()`: everything about an Application that can be judged without asking anybody.

The CLI calls it before it sends, the webhook when an Application is admitted, and the controller each time, since
neither of the others need have been there.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import msgspec

from atoll.api.application import Application
from atoll.api.checks.case import Case, make_case
from atoll.api.checks.differences import differences
from atoll.api.checks.failover import failovers
from atoll.api.checks.list_keys import list_keys
from atoll.api.checks.manifests import objects
from atoll.api.checks.placement import clusters, expressions, selectors
from atoll.api.checks.references import references
from atoll.api.checks.rollout import rollout
from atoll.api.checks.scheduling import divisions, placed, spreads
from atoll.api.checks.structure import parse, shape
from atoll.api.issues import Issue
from atoll.api.objects import Json
from atoll.api.scopes import Scopes, known_scope

__all__ = ["Issue", "validate"]

MAX_ISSUES = 100

CHECKS: tuple[Callable[[Case], Iterator[Issue]], ...] = (
    objects,
    list_keys,
    clusters,
    selectors,
    expressions,
    differences,
    references,
    placed,
    spreads,
    divisions,
    failovers,
    rollout,
)


def validate(
    app: Json | Application,
    *,
    known_clusters: Collection[str] | None = None,
    scopes: Scopes = known_scope,
    reach: bool = False,
    selected: Mapping[int, Sequence[Json]] | None = None,
    defaults: bool = False,
) -> tuple[Issue, ...]:
    """What is wrong with `app`, in the order of its checks; at most 100 issues. Pure, and never raises.

    known_clusters: names of the clusters there are; None when that isn't known, and no name is doubted.
    scopes: whether a kind is namespaced. What it doesn't know is not judged.
    reach: whether the namespace may reach beyond itself.
    selected: by the index in `spec.select`, the objects that were found; None when that isn't known, and what the
        differences name is then not looked for.
    defaults: what the namespace's defaults say is in `app` already, so what is missing now is missing.
    """
    body: Json = msgspec.to_builtins(app) if isinstance(app, Application) else app
    parsed = parse(body)
    if isinstance(parsed, Issue):
        return (parsed,)
    case = make_case(
        parsed, body, selected=selected, clusters=known_clusters, scopes=scopes, reach=reach, defaults=defaults
    )
    issues = [*shape(body), *(issue for check in CHECKS for issue in check(case))]
    issues.sort(key=lambda issue: issue.severity)  # stable: errors first
    return tuple(issues[:MAX_ISSUES])
