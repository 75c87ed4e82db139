"""Atoll's own dialect: from an `Application` and the objects that it selects to an `Intent`."""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from atoll.api.application import Application
from atoll.api.intent import Content, Intent, Revision
from atoll.api.objects import Json, Key, ObjectId, identify, manifest
from atoll.api.placement import Placement
from atoll.api.scopes import Scopes
from atoll.intake import allocated, serverset
from atoll.intake.lists import flatten
from atoll.intake.scope import in_namespace, with_definitions
from atoll.intake.selection import chosen

NO_TEMPLATES: frozenset[ObjectId] = frozenset()
_ENCODER = msgspec.json.Encoder(order="deterministic")


def translate(
    app: Application, *, selected: Mapping[int, Sequence[Json]], scopes: Scopes, revision: Revision
) -> Intent:
    """What `app` asks for, in the engine's words. It is taken to be valid (`validate()`).

    `selected` holds live objects of the hub by the index in `spec.select` of the entry that may mean them. Where an
    object is both inline and selected, what is written in the Application counts.
    """
    spec, namespace = app.spec, app.metadata.namespace
    inline = [serverset.cleaned(body) for body in flatten(spec.manifests)]
    live = [
        template(body)
        for index, select in enumerate(spec.select)
        for body in chosen(select, selected.get(index, ()), namespace, app.metadata.uid)
    ]
    scopes = with_definitions((*inline, *live), scopes)
    written = [manifest(in_namespace(body, namespace, scopes)) for body in inline]
    own = {m.id for m in written}
    templates = {m.id: m for body in live if (m := manifest(in_namespace(body, namespace, scopes))).id not in own}
    return Intent(
        key=Key(namespace, app.metadata.name),
        uid=app.metadata.uid,
        revision=revision,
        manifests=(*written, *templates.values()),
        placement=spec.placement or Placement(),
        replicas=spec.replicas,
        differences=spec.differences,
        tolerations=spec.tolerations,
        failover=spec.failover,
        adopt=spec.adopt,
        orphan=spec.deletion == "orphan",
        suspend=spec.suspend,
        allow_empty=spec.allow_empty,
        retain=spec.retain,
        recreate=spec.on_immutable == "recreate",
        health=spec.health,
        templates=frozenset(templates) if templates else NO_TEMPLATES,
        rollout=spec.rollout,
    )


def template(live: Json) -> Json:
    """A live object of the hub as a manifest: without what the server, controllers and the cluster put in."""
    rules = allocated.BY_KIND.get(identify(live).group_kind, ())
    return serverset.cleaned(live, (*serverset.RULES, allocated.drop_finalizers, *rules))


def intent_digest(intent: Intent) -> str:
    """What the user wants, as 64 hex digits: the same for the same content, whatever the order of its keys.

    Says nothing of which application it is, nor which revision, nor how a change of it gets to the clusters.
    """
    content = msgspec.structs.replace(intent, key=Key("", ""), uid="", revision=Revision(0, "", 0), rollout=None)
    return hashlib.sha256(_ENCODER.encode(content)).hexdigest()


def content_of(intent: Intent) -> Content:
    """What of `intent` is rolled out when it changes; the digest is 32 hex digits."""
    parts = (intent.manifests, intent.differences, sorted(intent.templates))
    digest = hashlib.sha256(_ENCODER.encode(parts)).hexdigest()[:32]
    return Content(digest, intent.manifests, intent.differences, intent.templates)
