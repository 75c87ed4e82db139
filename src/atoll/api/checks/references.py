"""What names an object, a workload or a container of the Application: that there is one."""

import difflib
from collections.abc import Iterable, Iterator, Mapping

from atoll.api.checks.case import Case, Placed
from atoll.api.differences import Target
from atoll.api.issues import Issue, warning
from atoll.api.podspec import pod_spec

EVERY = "*"
_SCALABLE = frozenset(
    (("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "ReplicaSet"), ("", "ReplicationController"))
)


def references(case: Case) -> Iterator[Issue]:
    """Only where all objects are known; else what is named may be among those that are selected."""
    if not case.complete:
        return
    workloads = _workloads(case)
    scalable = {placed.id.name for placed in case.objects if _is_scalable(placed)}
    jobs = {placed.id.name for placed in case.objects if _has_completions(placed)}
    for index, difference in enumerate(case.app.spec.differences):
        at = f"spec.differences[{index}]"
        for field in ("env", "command", "args", "resources"):
            yield from _containers(getattr(difference, field), workloads, f"{at}.{field}", case)
        for number, rule in enumerate(difference.images):
            yield from _image_rule(rule.workload, rule.container, workloads, f"{at}.images[{number}]")
        yield from _scaled(difference.replicas, scalable, f"{at}.replicas")
        for number, patch in enumerate(difference.patches):
            yield from _target(patch.target, case, f"{at}.patches[{number}].target")
    for index, retain in enumerate(case.app.spec.retain):
        yield from _target(retain.target, case, f"spec.retain[{index}].target")
    if case.app.spec.replicas is not None:
        yield from _scaled(case.app.spec.replicas.workloads, scalable | jobs, "spec.replicas.workloads")
        if not scalable and case.objects and not case.app.spec.replicas.workloads:
            yield warning("spec.replicas", "none of the objects has replicas: nothing is divided")


def _workloads(case: Case) -> dict[str, set[str]]:
    """Containers by the name of each object that has any."""
    workloads: dict[str, set[str]] = {}
    for placed in case.objects:
        pod = pod_spec(placed.body)
        if pod is not None:
            names = {str(container.get("name")) for _, container in pod.containers()}
            workloads.setdefault(placed.id.name, set()).update(names)
    return workloads


def _is_scalable(placed: Placed) -> bool:
    spec = placed.body.get("spec")
    replicas = spec.get("replicas") if isinstance(spec, dict) else None
    has_replicas = isinstance(replicas, int) and not isinstance(replicas, bool)
    return has_replicas or (placed.id.group, placed.id.kind) in _SCALABLE


def _has_completions(placed: Placed) -> bool:
    """A Job's completions are divided where `replicas.workloads` names it."""
    spec = placed.body.get("spec")
    is_job = (placed.id.group, placed.id.kind) == ("batch", "Job")
    return is_job and isinstance(spec, dict) and isinstance(spec.get("completions"), int)


def _containers(keys: Iterable[str], workloads: Mapping[str, set[str]], at: str, case: Case) -> Iterator[Issue]:
    for key in keys:
        workload, slash, container = key.partition("/")
        path = f"{at}[{key}]"
        if not workload or (slash and not container) or "/" in container:
            yield Issue(path, "is neither `workload` nor `workload/container`")
        elif workload not in workloads:
            yield Issue(path, _missing("workload", workload, workloads))
        elif container and container not in workloads[workload]:
            yield Issue(path, _missing(f"container of {workload}", container, workloads[workload]))
        elif len(kinds := [p.id for p in case.objects if p.id.name == workload and pod_spec(p.body)]) > 1:
            yield warning(path, f"{workload} means {' and '.join(str(kind) for kind in kinds)}: it applies to each")


def _image_rule(workload: str, container: str, workloads: Mapping[str, set[str]], at: str) -> Iterator[Issue]:
    if workload and workload not in workloads:
        yield Issue(f"{at}.workload", _missing("workload", workload, workloads))
        return
    containers = workloads[workload] if workload else set().union(*workloads.values())
    if container and container not in containers:
        yield Issue(f"{at}.container", _missing("container", container, containers))


def _scaled(keys: Iterable[str], scalable: set[str], at: str) -> Iterator[Issue]:
    for key in keys:
        if key != EVERY and key not in scalable:
            yield Issue(f"{at}[{key}]", _missing("workload with replicas", key, scalable))


def _target(target: Target, case: Case, at: str) -> Iterator[Issue]:
    _, complaint = absent(target, case)
    if complaint:
        yield Issue(at, complaint)


def absent(target: Target, case: Case) -> tuple[list[Placed], str]:
    """The objects that are meant; that there are none, in words, else ""."""
    if meant := [placed for placed in case.objects if _meant(target, placed)]:
        return meant, ""
    wanted = f"{target.kind or 'object'} {target.name}".strip()
    there = sorted({str(placed.id) for placed in case.objects})
    return [], f"no {wanted} is among the objects: {_some(there)}"


def _meant(target: Target, placed: Placed) -> bool:
    return target.means(str(placed.body.get("apiVersion")), placed.id)


def _missing(what: str, name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f"no {what} is called {name}: " + (f"did you mean {near[0]}?" if near else _some(known))


def _some(names: list[str]) -> str:
    if not names:
        return "there are none"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"there {'is' if len(names) == 1 else 'are'} {', '.join(names[:5])}{more}"
