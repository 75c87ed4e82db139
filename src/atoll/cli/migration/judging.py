"""Whether an object may be migrated: what its Application would give members is what they have.

Twice: by what KubeFed has them hold, as it is written on the hub, and by what their own API servers would make of it.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping

import msgspec

from atoll.api.application import Application
from atoll.api.cluster import Cluster
from atoll.api.delivery import Delivery
from atoll.api.kubefed.names import LABEL_MANAGED, UNMANAGED
from atoll.api.kubefed.preference import ReplicaSchedulingPreference
from atoll.api.objects import Json, identify
from atoll.api.status import ApplicationStatus
from atoll.cli.application.changed import text_of
from atoll.cli.application.members import changes_there, each_cluster
from atoll.cli.application.rendering import facts_of, intent_of, with_namespace_defaults
from atoll.cli.application.revisions import SALT
from atoll.cli.migration.reading import Found, State
from atoll.cli.session import Session
from atoll.fleet.asking import Ask
from atoll.hub.snapshots import recalled
from atoll.inquire.comparing import bare
from atoll.inquire.masking import masked
from atoll.intake import serverset
from atoll.intake.kubefed.migration import Control, Finding, Translation, of_namespace, translate
from atoll.kube.client import Client
from atoll.kube.resources import APPLICATIONS, CLUSTERS
from atoll.plan.model import ClusterFacts, Plan
from atoll.plan.planner import plan
from atoll.pull.protocol import Change, Compare

AT_ONCE = 8
"""Objects that one member is asked about at a time."""


class Judged(msgspec.Struct, frozen=True):
    """One object. `application` is None of one that can't be translated, and of FederatedNamespaces.

    clusters: where it is. changes: how members' objects would change, as diffs.
    """

    found: Found
    application: Json | None = None
    clusters: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    changes: tuple[str, ...] = ()

    @property
    def refused(self) -> bool:
        return any(f.refuses for f in self.findings)


class Fleet(msgspec.Struct, frozen=True):
    """The clusters that planning knows. `unjoined` are KubeFed's that Atoll doesn't have yet, `lost` of these those
    that it won't have.
    """

    facts: dict[str, ClusterFacts]
    unjoined: frozenset[str]
    lost: frozenset[str]


async def judge(
    session: Session,
    hub: Client,
    state: State,
    objects: Iterable[Found],
    *,
    accept: bool = False,
    lost: frozenset[str] = frozenset(),
) -> list[Judged]:
    """Each of `objects`, in their order. With `accept`, that members' objects would change refuses nothing.

    lost: KubeFed's clusters that can't become Atoll's: nobody would look after what is there.
    """
    fleet = await _fleet(hub, state.control, lost)
    applications = {(a.namespace, a.name): a.uid for a in (await hub.list(APPLICATIONS)).items}
    found = list(objects)
    on_hub = [await _on_hub(hub, state.control, one, fleet, applications) for one in found]
    members: dict[str, list[tuple[int, Delivery]]] = {}
    for index, (judged, planned) in enumerate(on_hub):
        if planned is not None and not judged.refused:
            for name, delivery in planned.deliveries.items():
                if name not in fleet.unjoined:
                    members.setdefault(name, []).append((index, delivery))
    answers, failed = await _ask(session, hub, members, tuple(applications.values()))
    result = [judged for judged, _ in on_hub]
    for name, asked in members.items():
        for index, _ in asked:
            about = result[index].found.about
            if name in failed:
                field = f"cluster {name}"
                finding = Finding(about, field, f"it can't be asked: {failed[name]}", refuses=fleet.facts[name].ready)
                result[index] = _with(result[index], finding)
    for name, index, changes in answers:
        for change in changes:
            result[index] = _judged(result[index], name, change, accept=accept)
    return result


async def _fleet(hub: Client, control: Control, lost: frozenset[str]) -> Fleet:
    facts = {c.name: facts_of(c.read(Cluster)) for c in (await hub.list(CLUSTERS)).items}
    unjoined = control.clusters.keys() - facts.keys()
    coming = {name: ClusterFacts(name, labels=dict(control.clusters[name])) for name in unjoined}
    return Fleet(facts | coming, frozenset(unjoined), lost & unjoined)


# On the hub


async def _on_hub(
    hub: Client, control: Control, found: Found, fleet: Fleet, applications: Mapping[tuple[str, str], str]
) -> tuple[Judged, Plan | None]:
    if found.of_namespace:
        return Judged(found, findings=of_namespace(found.federated)), None
    if found.original is not None:  # it was judged before its object went
        return Judged(found, found.original.application), None
    preference = found.preference.read(ReplicaSchedulingPreference) if found.preference is not None else None
    judged, planned = Judged(found), None
    for by_name in (True, False):
        said = translate(found.config, found.federated, preference, control, by_name=by_name)
        judged = Judged(found, said.application, tuple(said.expected), said.findings)
        if said.application is None or said.refused:
            return judged, None
        planned = await _plan(hub, said.application, fleet, applications)
        complaints = list(_complaints(said, planned, fleet))
        judged = _with(judged, *complaints)
        if not judged.refused:
            break
    for name in sorted(fleet.unjoined & set(judged.clusters)):
        field, why = f"cluster {name}", "it is not Atoll's yet: compared when it is"
        if name in fleet.lost:
            why = f"it is not Atoll's, and is left out: see KubeFedCluster {name}"
            judged = _with(judged, Finding(found.about, field, why, "bring it in, or place the object elsewhere", True))
        else:
            judged = _with(judged, Finding(found.about, field, why))
    return judged, planned


async def _plan(hub: Client, application: Json, fleet: Fleet, applications: Mapping[tuple[str, str], str]) -> Plan:
    metadata = application["metadata"]
    body = application | {
        "metadata": metadata | {"uid": applications.get((metadata["namespace"], metadata["name"]), "")},
        "spec": application["spec"] | {"adopt": True},
    }
    app = msgspec.convert(await with_namespace_defaults(hub, body, metadata["namespace"]), Application)
    intent = await intent_of(hub, app)
    return plan(intent, recalled(intent.key, ApplicationStatus(), fleet.facts, time.time()))


def _complaints(said: Translation, planned: Plan, fleet: Fleet) -> Iterable[Finding]:
    """Where the Application gives something else than KubeFed has members hold."""
    verdicts = {verdict.cluster: verdict.why for verdict in planned.verdicts}
    for name, expected in said.expected.items():
        refusal, delivery = planned.refusals.get(name), planned.deliveries.get(name)
        if refusal is not None:
            yield Finding(said.about, f"Application: {refusal.path}", f"{name}: {refusal.message}", refuses=True)
        elif delivery is None:
            away = not fleet.facts[name].ready
            yield Finding(
                said.about,
                f"cluster {name}",
                f"{verdicts.get(name, 'no such cluster')}: what it has is neither compared nor taken over"
                + (" before it is back" if away else ""),
                "" if away else f"let the Application on {name}: atoll cluster describe {name}",
                refuses=not away,
            )
        else:
            yield from _compared(said, name, expected, delivery.objects[0].body)
    for name in sorted(planned.deliveries.keys() - said.expected.keys()):
        yield Finding(
            said.about,
            "spec.placement",
            f"the Application would go to {name}, where KubeFed doesn't have it",
            "name the clusters in the placement, or cordon this one while you migrate",
            refuses=True,
        )


def _compared(said: Translation, name: str, expected: Json, given: Json) -> Iterable[Finding]:
    before = serverset.cleaned(expected)
    if before == given:
        return
    replicas = [(body.get("spec") or {}).get("replicas") for body in (before, given)]
    if replicas[0] != replicas[1]:
        yield Finding(
            said.about,
            "spec.replicas",
            f"KubeFed has {replicas[0]} on {name}, the Application would have {replicas[1]}",
            "have KubeFed divide anew (rebalance: true), or take the preference away: its numbers stay as overrides",
            refuses=True,
        )
        return
    changed = Change(name, identify(before), masked(before, SALT), masked(given, SALT))
    yield Finding(
        said.about, "spec", f"the Application would give {name} something else", text_of(changed), refuses=True
    )


# On the members


async def _ask(
    session: Session, hub: Client, members: Mapping[str, list[tuple[int, Delivery]]], alive: tuple[str, ...]
) -> tuple[list[tuple[str, int, list[Change]]], dict[str, str]]:
    async def work(name: str, ask: Ask) -> list[tuple[str, int, list[Change]]]:
        turn = asyncio.Semaphore(AT_ONCE)
        answers: list[tuple[str, int, list[Change]]] = []

        async def one(index: int, delivery: Delivery) -> None:
            async with turn:
                answers.append((name, index, await changes_there(ask, Compare(delivery, alive))))

        async with asyncio.TaskGroup() as group:
            for index, delivery in members[name]:
                group.create_task(one(index, delivery))
        return answers

    found, failed = await each_cluster(session, hub, sorted(members), work) if members else ({}, {})
    return [answer for answers in found.values() for answer in answers], failed


def _judged(judged: Judged, name: str, change: Change, *, accept: bool) -> Judged:
    about, field = judged.found.about, f"cluster {name}: {change.id}"
    if change.trouble:
        return _with(judged, Finding(about, field, change.trouble, refuses=True))
    if change.before is None:
        why = "it isn't there: the Application would make it"
        return _with(judged, Finding(about, field, why, "have KubeFed bring it there first", refuses=not accept))
    if _labels(change.before).get(LABEL_MANAGED) == UNMANAGED:
        why = f"its label {LABEL_MANAGED}: {UNMANAGED} keeps KubeFed off it, and would not keep Atoll off"
        return _with(judged, Finding(about, field, why, "place the object elsewhere, or drop the label", refuses=True))
    before, after = _without_label(change.before), _without_label(change.after or {})
    if before == after:
        return judged
    finding = Finding(about, field, "it would change", "see the differences", refuses=not accept)
    diff = text_of(msgspec.structs.replace(change, before=before, after=after, note=""))
    return _with(msgspec.structs.replace(judged, changes=(*judged.changes, diff)), finding)


def _labels(body: Json) -> Mapping[str, str]:
    return (body.get("metadata") or {}).get("labels") or {}


def _without_label(body: Json) -> Json:
    """Without what is to go: KubeFed's own label, and marks of whoever was there before."""
    body = bare(body)
    metadata = dict(body["metadata"])
    labels = {key: value for key, value in (metadata.pop("labels", None) or {}).items() if key != LABEL_MANAGED}
    return body | {"metadata": metadata | ({"labels": labels} if labels else {})}


def _with(judged: Judged, *findings: Finding) -> Judged:
    return msgspec.structs.replace(judged, findings=(*judged.findings, *findings))
