"""From a workload that runs on a member to an Application that takes it over as it is."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from atoll.api.names import ANNOTATION_APPLICATION, FIELD_MANAGER, LABEL_APP
from atoll.api.objects import GroupKind, Json, ObjectId, identify
from atoll.cli.changing import MANAGER
from atoll.cli.exits import CommandError
from atoll.intake.native import template
from atoll.intake.references import (
    CLAIM,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    Reference,
    of_service_account,
    references,
)
from atoll.intake.selection import MADE_IN_EVERY_NAMESPACE
from atoll.kube.client import Client
from atoll.kube.errors import AlreadyExists, NotFound
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import SECRETS

SHORT = {
    "deploy": "deployments",
    "sts": "statefulsets",
    "ds": "daemonsets",
    "cj": "cronjobs",
    "svc": "services",
    "cm": "configmaps",
    "sa": "serviceaccounts",
    "ing": "ingresses",
}
NEVER = {
    GroupKind("", "Pod"): "a Pod is bound to its node; promote what makes it, or deploy its manifest",
    GroupKind("batch", "Job"): "a Job runs once, and can't be changed; deploy its manifest",
    SECRET: "its content would lie in the Application; make it on the hub and `select` it",
    CLAIM: "a claim is bound to its volume and data; it stays where it is",
}
TOKEN = "kubernetes.io/service-account-token"  # noqa: S105  # a Secret's type
FROM = "atoll.dev/promoted-from"
OTHER_TOOLS = {
    "meta.helm.sh/release-name": "Helm release",
    "argocd.argoproj.io/tracking-id": "Argo CD application",
    "kustomize.toolkit.fluxcd.io/name": "Flux Kustomization",
    "helm.toolkit.fluxcd.io/name": "Flux HelmRelease",
}


class Promotion(NamedTuple):
    """What is promoted: `inline` objects of the member, `secrets` to be copied to the hub, `notes` for a person."""

    workload: Object
    inline: tuple[Object, ...]
    secrets: tuple[Object, ...]
    notes: tuple[str, ...]

    def spec(self) -> Json:
        """`manifests`, `select` and `adopt` of the Application."""
        manifests = [_manifest(obj) for obj in (self.workload, *self.inline)]
        select = [{"apiVersion": "v1", "kind": "Secret", "name": secret.name} for secret in self.secrets]
        return {"manifests": manifests} | ({"select": select} if select else {}) | {"adopt": True}

    @property
    def ids(self) -> tuple[ObjectId, ...]:
        return tuple(obj.id for obj in (self.workload, *self.inline, *self.secrets))


async def gather(member: Client, cluster: str, kind: str, name: str, namespace: str) -> Promotion:
    """Read the workload and what it names. Raises CommandError when it can't be promoted, and why."""
    resource = await find_kind(member, cluster, kind)
    try:
        workload = await member.get(resource, name, namespace)
    except NotFound as error:
        raise CommandError(f"there is no {resource.kind} {name} in namespace {namespace} of {cluster}") from error
    _check(workload, cluster)
    notes = [_kept_by(workload)]
    found: dict[ObjectId, Object] = {}
    waiting = list(references(workload.body()))
    while waiting:
        reference = waiting.pop(0)
        obj, why = await _look(member, reference, namespace)
        if obj is None:
            notes.append(why)
        elif obj.id not in found:
            found[obj.id] = obj
            notes.append(_kept_by(obj))
            waiting += of_service_account(obj.body()) if obj.group_kind == SERVICE_ACCOUNT else ()
    secrets = tuple(o for o in found.values() if o.group_kind == SECRET)
    inline = tuple(o for o in found.values() if o.group_kind != SECRET)
    return Promotion(workload, inline, secrets, tuple(note for note in notes if note))


async def find_kind(member: Client, cluster: str, text: str) -> Resource:
    """`deployment`, `deployments`, `deploy` or `deployments.apps`: the kind as `member` serves it."""
    word, _, group = text.lower().partition(".")
    word = SHORT.get(word, word)
    served = [
        r
        for r in await member.discovery.all()
        if word in {r.kind.lower(), r.plural} and (not group or r.group == group)
    ]
    if len({r.group for r in served}) > 1:  # Kubernetes' own go first, as with kubectl
        served = [r for r in served if "." not in r.group or r.group.endswith(".k8s.io")] or served
    if not served:
        raise CommandError(f"cluster {cluster} has no kind {text}", "such as deployment, statefulset or kind.group")
    if len(served) > 1:
        raise CommandError(f"{text} is not one kind", "one of: " + ", ".join(f"{r.plural}.{r.group}" for r in served))
    if not served[0].namespaced:
        raise CommandError(f"{served[0].kind} is cluster-scoped: an Application takes objects of its own namespace")
    return served[0]


async def check_unchanged(member: Client, promotion: Promotion) -> None:
    """Ask the member what delivering would do (a dry run), and refuse what would restart Pods or change anything."""
    for live in (promotion.workload, *promotion.inline):
        resource = await member.discovery.resource(*live.group_kind, live.version)
        after = await member.apply(
            resource,
            _manifest(live),
            name=live.name,
            namespace=live.namespace,
            manager=FIELD_MANAGER,
            force=True,
            dry_run=True,
        )
        before, then = ({k: v for k, v in o.body().items() if k not in {"metadata", "status"}} for o in (live, after))
        changed = sorted(k for k in before.keys() | then.keys() if before.get(k) != then.get(k))
        if changed:
            raise CommandError(
                f"delivering {live.id} would change its {', '.join(changed)}, not only take it over",
                "it may have changed just now: try again",
            )


async def check_free(member: Client, cluster: str, promotion: Promotion) -> None:
    """Where it doesn't come from, nothing of it may be there: `adopt` would take it over, whatever it is."""
    for identity in promotion.ids:
        resource = await member.discovery.resource(*identity.group_kind)
        try:
            await member.get(resource, identity.name, identity.namespace)
        except NotFound:
            continue
        raise CommandError(
            f"{identity} is on {cluster}, too: it would be overwritten there",
            "promote it with the clusters alone where it isn't, or remove it there first",
        )


async def copies(hub: Client, promotion: Promotion, namespace: str, cluster: str) -> tuple[Json, ...]:
    """The Secrets as they are to be made on the hub. Raises CommandError where another one has the name."""
    wanted = []
    for secret in promotion.secrets:
        body = template(secret.body())
        body["metadata"] = {**body["metadata"], "namespace": namespace}
        notes = {**(body["metadata"].get("annotations") or {}), FROM: cluster}
        try:
            live = (await hub.get(SECRETS, secret.name, namespace)).body()
        except NotFound:
            wanted.append({**body, "metadata": {**body["metadata"], "annotations": notes}})
            continue
        if (live.get("data") or {}) != (body.get("data") or {}) or live.get("type") != body.get("type"):
            raise CommandError(
                f"Secret {namespace}/{secret.name} exists on the hub, and holds something else",
                "the Application would deliver that one; rename or delete it first",
            )
    return tuple(wanted)


async def copy(hub: Client, body: Json) -> None:
    """Make the Secret on the hub. One that somebody else made this very moment isn't overwritten."""
    identity = identify(body)
    try:
        await hub.apply(
            SECRETS, body, name=identity.name, namespace=identity.namespace, manager=MANAGER, only_create=True
        )
    except AlreadyExists as error:
        raise CommandError(f"Secret {identity.name} was made on the hub just now", "try again") from error


def _manifest(live: Object) -> Json:
    """As it would be written by hand; without its namespace, which is the Application's."""
    body = template(live.body())
    return {**body, "metadata": {key: value for key, value in body["metadata"].items() if key != "namespace"}}


def _check(live: Object, cluster: str) -> None:
    if why := NEVER.get(live.group_kind):
        raise CommandError(f"{live.id} can't be promoted: {why}")
    if live.deleting:
        raise CommandError(f"{live.id} is being deleted on {cluster}")
    if owner := live.controller:
        raise CommandError(
            f"{live.id} is made by {owner.kind}/{owner.name}", f"promote {owner.kind.lower()} {owner.name}"
        )
    if LABEL_APP in live.labels:
        raise CommandError(f"{live.id} belongs to Application {_application(live)} already")


async def _look(member: Client, reference: Reference, namespace: str) -> tuple[Object | None, str]:
    """The object, or a note that says why it isn't taken; "" when there is nothing to say."""
    if (reference.kind, reference.name) in MADE_IN_EVERY_NAMESPACE:
        return None, ""
    if reference.kind == CLAIM:
        return None, f"{reference} is not taken: its data stays where it is; on another cluster it is to be made first"
    resource = await member.discovery.resource(*reference.kind)
    try:
        live = await member.get(resource, reference.name, namespace)
    except NotFound:
        return None, "" if reference.optional else f"{reference} is named, and isn't there"
    if live.group_kind == SECRET and live.body().get("type") == TOKEN:
        return None, f"{reference} is not taken: each cluster makes its own tokens"
    if owner := live.controller:
        return None, f"{reference} is not taken: {owner.kind}/{owner.name} keeps it"
    if LABEL_APP in live.labels:
        return None, f"{reference} is not taken: it belongs to Application {_application(live)}"
    return live, ""


def _kept_by(live: Object) -> str:
    """A warning when another tool will go on writing it."""
    for key, what in OTHER_TOOLS.items():
        value = live.annotations.get(key) or live.labels.get(key)
        if value:
            return f"{live.id} is of {what} {value}: take it out there, or both will write it"
    return ""


def _application(live: Object) -> str:
    return live.annotations.get(ANNOTATION_APPLICATION) or f"with UID {live.labels[LABEL_APP]}"


class _Service(msgspec.Struct):
    class Spec(msgspec.Struct):
        selector: dict[str, str] = {}

    spec: Spec = msgspec.field(default_factory=Spec)


async def services_of(member: Client, promotion: Promotion) -> Iterator[str]:
    """Services that lead to the workload's Pods and aren't taken: nothing in the workload names them."""
    body = promotion.workload.body()
    labels = (((body.get("spec") or {}).get("template") or {}).get("metadata") or {}).get("labels") or {}
    resource = await member.discovery.resource(*SERVICE)
    there = (await member.list(resource, promotion.workload.namespace)).items
    taken = {obj.id for obj in promotion.inline}
    return (
        service.name
        for service in there
        if service.id not in taken
        and (selector := service.read(_Service).spec.selector)
        and selector.items() <= labels.items()
    )
