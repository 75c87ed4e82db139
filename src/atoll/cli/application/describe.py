"""`atoll app describe`: all of one application: the chain from what was asked to what is wrong."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import typer

from atoll.cli.application.status import AppName, cluster_rows, problem_rows
from atoll.cli.printing import NONE, age, fields, table
from atoll.cli.session import Session
from atoll.cli.verbs import verb

if TYPE_CHECKING:
    from atoll.cli.application.view import View


def register(app: typer.Typer) -> None:
    verb(app, "describe")(describe)


async def describe(session: Session, name: AppName) -> None:
    """Show everything about one application.

    What was asked, where it is placed and why, how it does, what is wrong.
    """
    from atoll.cli.application.events import event_rows
    from atoll.cli.application.view import read_view
    from atoll.kube.resources import APPLICATIONS, EVENTS

    async with session.hub() as hub:
        item = await hub.get(APPLICATIONS, name, session.namespace)
        view = read_view(item)
        events = await hub.list(EVENTS, view.namespace, fields=f"involvedObject.uid={view.uid}")
    print(fields(_facts(view)))
    sections = (
        ("Objects", _objects(view.spec)),
        ("Differences", _differences(view.spec)),
        ("Placement", _placement(view)),
        ("Conditions", _conditions(view)),
        ("Clusters", _rows(["CLUSTER", "STATE", "HEALTH", "READY", "SINCE", "MESSAGE"], cluster_rows(view))),
        ("Problems", _rows(["CLUSTER", "OBJECT", "REASON", "COUNT", "SINCE", "MESSAGE"], problem_rows(view))),
        (
            "Events",
            _rows(
                ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"],
                [row.cells() for row in event_rows("", events.items)][-10:],
            ),
        ),
    )
    for title, text in sections:
        print(f"{title}:\n{text}" if text else f"{title + ':':<14} {NONE}")


def _facts(view: "View") -> dict[str, object]:
    spec = view.spec
    facts: dict[str, object] = {
        "Name": view.name,
        "Namespace": view.namespace,
        "State": view.state,
        "Labels": ", ".join(f"{k}={v}" for k, v in sorted(view.labels.items())),
        "Where": _target(spec.get("placement") or {}),
        "Replicas": _share(spec.get("replicas") or {}),
        "Revision": view.status.sequence,
        "Generation": f"{view.generation}, seen by the hub: {view.status.observed_generation}",
        "Age": age(view.created),
    }
    for flag in ("suspend", "adopt", "allowEmpty"):
        if spec.get(flag):
            facts[flag[0].upper() + flag[1:]] = "true"
    if spec.get("deletion", "delete") != "delete":
        facts["Deletion"] = spec["deletion"]
    return facts


def _target(target: dict[str, Any]) -> str:
    parts = []
    if target.get("all"):
        parts.append("all clusters")
    if target.get("clusters"):
        parts.append(", ".join(map(str, target["clusters"])))
    if labels := (target.get("selector") or {}).get("matchLabels"):
        parts.append(", ".join(f"{k}={v}" for k, v in labels.items()))
    if (target.get("selector") or {}).get("matchExpressions"):
        parts.append("more label conditions")
    if target.get("where"):
        parts.append(f"where {target['where']}")
    return "; ".join(parts)


def _share(share: dict[str, Any]) -> str:
    parts = []
    if "each" in share:
        parts.append(f"{share['each']} on each cluster")
    if "total" in share:
        weights = ", ".join(f"{k}={v}" for k, v in (share.get("weights") or {}).items())
        parts.append(f"{share['total']} in all" + (f", by weight {weights}" if weights else ", evenly"))
    parts += [f"{workload}: {_share(own)}" for workload, own in (share.get("workloads") or {}).items()]
    return "; ".join(parts)


def _objects(spec: dict[str, Any]) -> str:
    rows: list[tuple[object, ...]] = []
    for body in spec.get("manifests") or ():
        metadata = body.get("metadata") or {}
        rows.append((body.get("kind", ""), metadata.get("name", ""), metadata.get("namespace", ""), "inline"))
    for select in spec.get("select") or ():
        what = select.get("name") or "by labels"
        rows.append((select.get("kind", ""), what, "", "selected on the hub"))
    return _rows(["KIND", "NAME", "NAMESPACE", "FROM"], rows)


def _differences(spec: dict[str, Any]) -> str:
    targets = {"clusters", "selector", "where", "all"}
    rows = [(_target(d), ", ".join(key for key in d if key not in targets)) for d in spec.get("differences") or ()]
    return _rows(["CLUSTERS", "WHAT DIFFERS"], rows)


def _placement(view: "View") -> str:
    rows = [(p.cluster, "" if p.replicas is None else p.replicas, p.why) for p in view.status.placement]
    return _rows(["CLUSTER", "REPLICAS", "WHY"], rows)


def _conditions(view: "View") -> str:
    rows = [(c.type, c.status, c.reason, age(c.last_transition_time), c.message) for c in view.status.conditions]
    return _rows(["TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"], rows)


def _rows(titles: list[str], rows: Iterable[tuple[object, ...]]) -> str:
    shown = list(rows)
    return table(titles, shown, indent=2, whole=True) if shown else ""
