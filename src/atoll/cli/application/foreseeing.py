"""What a change of an Application would do: where it goes and why, what each member would make of it, what would go."""

from collections.abc import Sequence

import msgspec

from atoll.api.delivery import Delivery
from atoll.api.intent import Revision
from atoll.api.objects import Json, Key
from atoll.api.rollout import Rollout
from atoll.cli.application.members import changes_there, each_cluster
from atoll.cli.application.rendering import NEWEST, Rendered
from atoll.cli.application.view import read_view
from atoll.cli.exits import CommandError
from atoll.cli.session import Session
from atoll.fleet.asking import Ask
from atoll.hub.application import EMPTIES
from atoll.kube.client import Client
from atoll.kube.errors import Forbidden
from atoll.kube.objects import Object
from atoll.kube.resources import APPLICATIONS
from atoll.plan.model import ClusterFacts
from atoll.plan.rollout import DEFAULT
from atoll.plan.stages import Step, quiet, steps
from atoll.pull.protocol import Change, Compare


class ClusterForecast(msgspec.Struct, frozen=True):
    """One cluster. `before` and `after` are replicas where they are known; `stays` says that nothing would be done."""

    cluster: str
    chosen: bool
    why: str
    placed: bool = False
    """It has the Application now."""
    before: int | None = None
    after: int | None = None
    refusal: str = ""
    unknown: str = ""
    """Why the member could not be asked."""
    changes: tuple[Change, ...] = ()

    @property
    def moves(self) -> bool:
        return self.placed != self.chosen or (self.chosen and self.before != self.after)


class Forecast(msgspec.Struct, frozen=True):
    """What would become of one Application."""

    key: Key
    what: str
    """created, configured, unchanged or deleted."""
    clusters: tuple[ClusterForecast, ...] = ()
    order: tuple[str, ...] = ()
    """How the change would go from cluster to cluster, in words."""
    held: str = ""
    """Why nothing of it would be carried out."""
    warnings: tuple[str, ...] = ()

    @property
    def changes(self) -> list[Change]:
        return [change for cluster in self.clusters for change in cluster.changes]

    def as_json(self) -> Json:
        """For programs. Secrets are masked already."""
        body: Json = msgspec.to_builtins(self)
        for cluster in body["clusters"]:
            for change in cluster["changes"]:
                change["id"] = dict(zip(("group", "kind", "namespace", "name"), change["id"], strict=True))
                for part in ("before", "after", "trouble", "note"):
                    change.setdefault(part, None if part in {"before", "after"} else "")
        return body | {"key": str(self.key)}


async def foresee(session: Session, hub: Client, rendered: Rendered, *, only: Sequence[str] = ()) -> Forecast:
    """What would happen if the hub were given `rendered`. `only` these members are asked and told of, when given.

    Raises CommandError for one that is none.
    """
    plan = rendered.plan
    check_known(rendered, only)
    view = read_view(rendered.live) if rendered.live else None
    before = {p.cluster: p.replicas for p in view.status.placement} if view else {}
    leaving = [c for c in before if c not in plan.deliveries and c not in plan.refusals]
    key = rendered.intent.key
    if not plan.deliveries and not plan.refusals and before and not rendered.intent.allow_empty:
        return Forecast(key, "configured", held=EMPTIES, warnings=plan.warnings)
    wanted = [c for c in (*plan.deliveries, *leaving) if not only or c in only]
    found, failed = await _changes(session, hub, rendered, wanted)
    clusters = []
    for verdict in plan.verdicts:
        name, share = verdict.cluster, plan.shares.get(verdict.cluster)
        if only and name not in only:
            continue
        refusal = plan.refusals.get(name)
        clusters.append(
            ClusterForecast(
                cluster=name,
                chosen=verdict.chosen,
                why=verdict.why if share is None or not share.why else f"{verdict.why}; {share.why}",
                placed=name in before,
                before=before.get(name),
                after=share.common if share else None,
                refusal=f"{refusal.path}: {refusal.message}" if refusal else "",
                unknown=failed.get(name, ""),
                changes=tuple(found.get(name, ())),
            )
        )
    changed = any(found.values()) or any(c.moves for c in clusters)
    what = "created" if view is None else "configured" if changed else "unchanged"
    return Forecast(key, what, tuple(clusters), _order(rendered), warnings=plan.warnings)


def check_known(rendered: Rendered, names: Sequence[str]) -> None:
    """Raises CommandError when one of `names` is no cluster: silence would read as if nothing were to happen there."""
    known = {verdict.cluster for verdict in rendered.plan.verdicts}
    for name in names:
        if name not in known:
            raise CommandError(f"there is no cluster {name}", f"there are {', '.join(sorted(known)) or 'none'}")


async def foresee_end(session: Session, hub: Client, live: Object, *, orphan: bool) -> Forecast:
    """What would go with an Application. With `orphan`, its objects stay."""
    view = read_view(live)
    names = [p.cluster for p in view.status.placement]
    key = Key(live.namespace, live.name)

    async def work(name: str, ask: Ask) -> list[Change]:
        return await changes_there(ask, Compare(_nothing(key, live.uid, name), removal=True, orphan=orphan))

    found, failed = await each_cluster(session, hub, names, work) if names else ({}, {})
    why = "the Application is deleted"
    clusters = tuple(
        ClusterForecast(
            n, chosen=False, why=why, placed=True, unknown=failed.get(n, ""), changes=tuple(found.get(n, ()))
        )
        for n in names
    )
    return Forecast(key, "deleted", clusters)


async def _changes(
    session: Session, hub: Client, rendered: Rendered, names: Sequence[str]
) -> tuple[dict[str, list[Change]], dict[str, str]]:
    intent, plan = rendered.intent, rendered.plan
    alive = await _alive(hub)

    async def work(name: str, ask: Ask) -> list[Change]:
        delivery = plan.deliveries.get(name)
        if delivery is None:
            nothing = _nothing(intent.key, intent.uid, name)
            return await changes_there(ask, Compare(nothing, removal=True, orphan=intent.orphan))
        if delivery.suspend:
            return []
        return await changes_there(ask, Compare(delivery, alive))

    return await each_cluster(session, hub, names, work) if names else ({}, {})


def _nothing(key: Key, uid: str, cluster: str) -> Delivery:
    return Delivery(key, uid, cluster, Revision(NEWEST, uid, 1), ())


async def _alive(hub: Client) -> tuple[str, ...] | None:
    """UIDs of all Applications; None when this user may not see them."""
    try:
        return tuple(app.uid for app in (await hub.list(APPLICATIONS)).items)
    except Forbidden:
        return None


def _order(rendered: Rendered) -> tuple[str, ...]:
    """How the change would go from cluster to cluster; nothing for what goes everywhere at once."""
    wish = rendered.intent.rollout or DEFAULT
    facts: dict[str, ClusterFacts] = {c: rendered.fleet.clusters[c] for c in rendered.plan.deliveries}
    if not facts or (rendered.live is None and not wish.stages):
        return ()
    gentle = rendered.before is not None and quiet([rendered.before], rendered.content)
    found, refused = steps(wish, facts, quiet=gentle)
    said = [_in_words(step, wish) for step in found if step.members]
    if len(found) == 1 and not wish.stages and found[0].limit >= len(found[0].members):
        said = []
    return (*said, *(f"{name}: {why}" for name, why in sorted(refused.items())))


def _in_words(step: Step, wish: Rollout) -> str:
    members = ", ".join(step.members[:5]) + (f" and {len(step.members) - 5} more" if len(step.members) > 5 else "")
    conditions = ["after an approval"] if step.approval else []
    if step.alone:
        conditions.append("one first")
    conditions.append(f"{step.limit} at a time")
    if step.healthy_for:
        conditions.append(f"each healthy for {step.healthy_for:g} s")
    if step.check is not None:
        conditions.append("then a check must pass")
    if step.pause:
        conditions.append(f"then a pause of {step.pause:g} s")
    last = "; rolled back when one is Degraded" if wish.on_failure == "rollback" else ""
    return f"stage {step.name}: {members}: {', '.join(conditions)}{last}"
