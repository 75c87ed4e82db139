"""KubeFed's admission: what is refused and completed of its kinds, at KubeFed's paths and under KubeFed's names.

Who had KubeFed's own webhook has its configurations: they are taken over, and lead here from then on. As KubeFed's they
fail when nobody answers, but not where that would be in the way: what is being deleted may lose its finalizers, and
statuses may be written.
"""

import base64
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from atoll.api.issues import Issue
from atoll.api.kubefed import validation
from atoll.api.kubefed.config import KubeFedConfig
from atoll.api.kubefed.defaulting import with_defaults
from atoll.api.kubefed.names import CORE_GROUP, CORE_VERSION, Scope
from atoll.api.objects import Json
from atoll.hub.hooks import Hook, Reached
from atoll.hub.webhook import reviewed
from atoll.kube.objects import Resource
from atoll.kube.resources import MUTATINGWEBHOOKS, VALIDATINGWEBHOOKS

VALIDATIONS = "validations.core.kubefed.io"
MUTATIONS = "mutation.core.kubefed.io"
DEFAULTS_PATH = "/default-kubefedconfig"
WRITES = frozenset({"CREATE", "UPDATE"})
WRITTEN_ANEW = (
    {"name": "not-deleted", "expression": "!has(object.metadata.deletionTimestamp)"},
    {
        "name": "spec-changed",
        "expression": "request.operation == 'CREATE' || !has(oldObject.spec) || object.spec != oldObject.spec",
    },
)


class Judged(NamedTuple):
    """A kind that is judged: at which path, and by which rule of the request."""

    plural: str
    path: str
    rule: Callable[[Json], tuple[Issue, ...]]
    status: bool = True


JUDGED = (
    Judged(
        "federatedtypeconfigs",
        "/validate-federatedtypeconfigs",
        lambda asked: validation.type_config(asked.get("object") or {}, asked.get("subResource") or ""),
    ),
    Judged(
        "kubefedclusters",
        "/validate-kubefedcluster",
        lambda asked: validation.cluster(asked.get("object") or {}, asked.get("subResource") or ""),
    ),
    Judged(
        "kubefedconfigs",
        "/validate-kubefedconfig",
        lambda asked: validation.config(
            asked.get("object") or {}, asked.get("oldObject") if asked.get("operation") == "UPDATE" else None
        ),
        status=False,
    ),
)


def kubefed_hook(scope: str = Scope.CLUSTER.value, namespace: str = "") -> Hook:
    """For a control plane of one namespace only (`scope` Namespaced): nothing outside `namespace` is asked about."""
    limited = namespace if scope == Scope.NAMESPACED else ""
    routes = [
        *(web.post(judged.path, _answering(_validated(judged))) for judged in JUDGED),
        web.post(DEFAULTS_PATH, _answering(defaulted)),
    ]
    return Hook(tuple(routes), lambda reached: configurations(reached, limited))


def _answering(review: Callable[[Json], Json]) -> Any:
    async def answer(request: web.Request) -> web.Response:
        asked: Json = msgspec.json.decode(await request.read())["request"]
        return reviewed({"uid": asked["uid"], **review(asked)})

    return answer


def _validated(judged: Judged) -> Callable[[Json], Json]:
    return lambda asked: validated(asked, judged)


def validated(asked: Json, judged: Judged) -> Json:
    """The answer to an AdmissionRequest, without its uid. What isn't KubeFed's is let through."""
    resource = asked.get("resource") or {}
    ours = resource.get("group") == CORE_GROUP and resource.get("resource") == judged.plural
    if not ours or asked.get("operation") not in WRITES:
        return {"allowed": True}
    issues = judged.rule(asked)
    return _refused(403, "Forbidden", together(issues)) if issues else {"allowed": True}


def together(issues: Iterable[Issue]) -> str:
    """Several errors as Kubernetes lists them; each is said once."""
    texts = list(dict.fromkeys(map(str, issues)))
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def defaulted(asked: Json) -> Json:
    """The answer to an AdmissionRequest about a KubeFedConfig, without its uid: a patch that completes it."""
    try:
        config = msgspec.convert(asked.get("object") or {}, KubeFedConfig)
    except msgspec.ValidationError as error:
        return _refused(400, "BadRequest", str(error))
    complete = with_defaults(config)
    if complete is config:
        return {"allowed": True}
    patch = [{"op": "add", "path": "/spec", "value": complete.spec}]
    return {
        "allowed": True,
        "patchType": "JSONPatch",
        "patch": base64.b64encode(msgspec.json.encode(patch)).decode(),
    }


def _refused(code: int, reason: str, message: str) -> Json:
    return {"allowed": False, "status": {"status": "Failure", "code": code, "reason": reason, "message": message}}


def names(limited: str = "") -> tuple[tuple[Resource, str], ...]:
    """The configurations, of a control plane of the whole cluster or of namespace `limited`."""
    suffix = f"-{limited}" if limited else ""
    return (VALIDATINGWEBHOOKS, VALIDATIONS + suffix), (MUTATINGWEBHOOKS, MUTATIONS + suffix)


def configurations(reached: Reached, limited: str = "") -> tuple[tuple[Resource, Json], ...]:
    where = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": limited}}} if limited else {}
    webhooks: list[list[Json]] = [
        [
            *(_webhook(j.plural, "", j.path, reached, where) for j in JUDGED),
            *(_webhook(j.plural, "status", j.path, reached, where) for j in JUDGED if j.status),
        ],
        [_webhook("kubefedconfigs", "", DEFAULTS_PATH, reached, where, operations=("CREATE",))],
    ]
    return tuple(
        (
            resource,
            {
                "apiVersion": resource.api_version,
                "kind": resource.kind,
                "metadata": {"name": name},
                "webhooks": hooks,
            },
        )
        for (resource, name), hooks in zip(names(limited), webhooks, strict=True)
    )


def _webhook(
    plural: str,
    subresource: str,
    path: str,
    reached: Reached,
    where: Json,
    *,
    operations: tuple[str, ...] = ("CREATE", "UPDATE"),
) -> Json:
    """Without the webhook nobody writes a KubeFed kind, as with KubeFed; statuses are the control plane's own."""
    name = f"{subresource}.{plural}" if subresource else plural
    return {
        "name": f"{name}.{CORE_GROUP}",
        "clientConfig": reached(path),
        "rules": [
            {
                "apiGroups": [CORE_GROUP],
                "apiVersions": [CORE_VERSION],
                "operations": list(operations),
                "resources": [f"{plural}/{subresource}" if subresource else plural],
            }
        ],
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Ignore" if subresource else "Fail",
        "timeoutSeconds": 5,
        **({} if subresource else {"matchConditions": [dict(condition) for condition in WRITTEN_ANEW]}),
        **where,
    }
