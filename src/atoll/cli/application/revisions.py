"""Revisions of an Application as commands show them: those on record, and the present one."""

import difflib
import secrets

import msgspec

from atoll.api.application import Application
from atoll.api.intent import Content
from atoll.api.manifests import dump
from atoll.api.objects import Json, Manifest
from atoll.cli.application.rendering import intent_of
from atoll.hub.history import listed
from atoll.inquire.masking import masked
from atoll.intake.native import content_of
from atoll.kube.client import Client
from atoll.kube.resources import APPLICATIONS

SALT = secrets.token_bytes(16)


class Former(msgspec.Struct, frozen=True):
    """One revision. `until` is when it was superseded, RFC 3339; "" for the present one."""

    revision: int
    content: Content
    until: str = ""
    state: str = ""

    @property
    def summary(self) -> str:
        """Its images, or how many objects it has."""
        images = list(dict.fromkeys(i for m in self.content.manifests for i in _images(m.body)))
        count = f"{len(self.content.manifests)} objects"
        more = f" and {len(images) - 3} more" if len(images) > 3 else ""
        return f"{count}: {', '.join(images[:3])}{more}" if images else count


async def formers(hub: Client, namespace: str, name: str) -> list[Former]:
    """All that is on record, oldest first; the last is what the Application says now."""
    live = await hub.get(APPLICATIONS, name, namespace)
    app = msgspec.convert(live.body(), Application)
    rollout = app.status.rollout
    present = rollout.revision if rollout else app.status.sequence
    kept = [k for k in await listed(hub, namespace, live.uid) if k.revision != present]
    found = [Former(k.revision, k.former.content, k.superseded, _state(app, k.revision)) for k in kept]
    return [*found, Former(present, content_of(await intent_of(hub, app)), "", _state(app, present))]


def _state(app: Application, revision: int) -> str:
    """What became of it, as far as the status says."""
    rollout = app.status.rollout
    if rollout is None:
        return "present"
    if revision == rollout.revision:
        return "given up" if rollout.back else ("present" if rollout.phase == "Complete" else rollout.phase.lower())
    return "in effect" if rollout.back and revision == rollout.stable else ""


def shown(former: Former) -> Json:
    """What a revision says, as a part of a spec; Secrets are masked."""
    return {
        "revision": former.revision,
        "manifests": [masked(m.body, SALT) for m in former.content.manifests],
        "differences": [msgspec.to_builtins(d) for d in former.content.differences],
    }


def difference(before: Former, after: Former) -> str:
    """A unified diff of two revisions' YAML; "" when they say the same."""
    old, new = ({str(m.id): m for m in former.content.manifests} for former in (before, after))
    parts = []
    for name in dict.fromkeys([*old, *new]):
        parts += _changed(name, _text(old.get(name)), _text(new.get(name)), before, after)
    rest = [dump([msgspec.to_builtins(d) for d in f.content.differences]) for f in (before, after)]
    return "".join([*parts, *_changed("differences", rest[0], rest[1], before, after)])


def _changed(name: str, old: str, new: str, before: Former, after: Former) -> list[str]:
    lines = old.splitlines(keepends=True), new.splitlines(keepends=True)
    return list(difflib.unified_diff(*lines, f"{before.revision}/{name}", f"{after.revision}/{name}"))


def _text(manifest: Manifest | None) -> str:
    return dump([masked(manifest.body, SALT)]) if manifest is not None else ""


def spec_of(content: Content, namespace: str) -> Json:
    """The part of a spec that says `content`, as a merge patch. The Application's own namespace is left unsaid."""
    return {
        "manifests": [_unplaced(m.body, namespace) for m in content.manifests],
        "differences": [msgspec.to_builtins(d) for d in content.differences] or None,
    }


def _unplaced(body: Json, namespace: str) -> Json:
    metadata = body.get("metadata") or {}
    if metadata.get("namespace") != namespace:
        return body
    return body | {"metadata": {k: v for k, v in metadata.items() if k != "namespace"}}


def _images(body: Json) -> list[str]:
    """Images of a workload's containers, wherever its Pod template is."""
    found: list[str] = []
    todo: list[object] = [body.get("spec")]
    while todo:
        match todo.pop():
            case dict() as part:
                for key, value in part.items():
                    if key == "image" and isinstance(value, str):
                        found.append(value)
                    elif isinstance(value, dict | list):
                        todo.append(value)
            case list() as items:
                todo += [i for i in items if isinstance(i, dict | list)]
    return found
