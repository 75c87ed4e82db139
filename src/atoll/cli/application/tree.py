"""`atoll app tree`: from the Application over clusters and objects down to the Pods, each with its health."""

from typing import TYPE_CHECKING

import typer

from atoll.cli.application.status import AppName
from atoll.cli.exits import ExitCode
from atoll.cli.printing import clean, one_line, paint
from atoll.cli.session import Session
from atoll.cli.verbs import ClusterFilter, verb

if TYPE_CHECKING:
    from atoll.inquire.looking import There
    from atoll.kube.objects import Object


def register(app: typer.Typer) -> None:
    verb(app, "tree")(tree)


async def tree(session: Session, name: AppName, cluster: ClusterFilter = None) -> ExitCode | None:
    """Show its objects on each cluster, down to the Pods.

    Looks into the members; ends with 3 when one of them can't be reached.
    """
    from atoll.cli.application.members import clusters_of, each_cluster, there
    from atoll.cli.application.view import read_view
    from atoll.kube.resources import APPLICATIONS

    async with session.hub() as hub:
        view = read_view(await hub.get(APPLICATIONS, name, session.namespace))
        found, failed = await each_cluster(
            session, hub, clusters_of(view, cluster), lambda where, ask: there(where, ask, view.uid)
        )
    print(f"Application/{view.name}  {paint(view.state)}")
    lines = [*found, *failed]
    for number, where in enumerate(lines):
        last = number == len(lines) - 1
        print(
            f"{'└── ' if last else '├── '}{where}"
            + (f"  {paint('Unreachable')}: {one_line(failed[where])}" if where in failed else "")
        )
        if where in found:
            for line in branches(found[where], "    " if last else "│   "):
                print(line)
    return ExitCode.PARTIAL if failed else None


def branches(there: "There", indent: str) -> list[str]:
    """The lines of one cluster."""
    made = {o.uid for o in there.owned}
    roots = [o for o in there.roots if o.uid not in made]
    return _lines(there, roots, indent)


def _lines(there: "There", objects: "list[Object]", indent: str) -> list[str]:
    result = []
    for number, item in enumerate(objects):
        last = number == len(objects) - 1
        result.append(f"{indent}{'└── ' if last else '├── '}{_label(item)}")
        result += _lines(there, there.children(item), indent + ("    " if last else "│   "))
    return result


def _label(item: "Object") -> str:
    from atoll.observe.health import assess

    health = assess(item.body())
    ready = f" {health.ready or 0}/{health.desired}" if health.desired is not None else ""
    why = f" {health.reason}" if health.reason and health.health != "Healthy" else ""
    return clean(f"{item.id}  ") + paint(health.health) + clean(f"{ready}{why}")
