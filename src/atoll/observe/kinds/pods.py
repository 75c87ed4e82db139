"""Pod: its phase, and what keeps its containers from running."""

from collections.abc import Iterator
from typing import NamedTuple

from atoll.api.objects import Json
from atoll.api.observation import ObjectHealth
from atoll.api.times import parse_time
from atoll.observe.reading import ABSENT, conditions_of, degraded, healthy, progressing, spec_of, status_of

STARTING = frozenset({"", "ContainerCreating", "PodInitializing"})
"""Waiting reasons of a container that is on its way as it should be."""
IMAGE = "ErrImagePull"
"""The one name for ErrImagePull and ImagePullBackOff: a Pod goes from one to the other and back with every attempt."""
RUNTIME_MESSAGES = frozenset({"ContainerCannotRun", "StartError", "CreateContainerError", "RunContainerError"})
"""Terminations whose message is the container runtime's. Others are what the program itself wrote: that stays there."""


class Trouble(NamedTuple):
    """One thing that keeps a Pod from being ready. `since` is epoch seconds; 0 when unknown."""

    reason: str
    message: str
    container: str = ""
    since: float = 0.0


def pod(body: Json) -> ObjectHealth:
    status, restarts = status_of(body), spec_of(body).get("restartPolicy", "Always")
    phase = status.get("phase")
    if phase == "Succeeded":
        return healthy()
    first = next(iter(troubles(body)), None)
    if phase == "Failed":
        return degraded(*(first[:2] if first else ("Failed", "")))
    if first is not None:
        return progressing(*first[:2]) if first.reason in WAITING else degraded(*first[:2])
    if phase == "Running" and conditions_of(body).get("Ready", ABSENT).true:
        return healthy() if restarts == "Always" else progressing("Running", "it runs to its end")
    if phase in {"Running", "Pending", None}:
        return progressing(str(phase or "Pending"), "its containers are not ready" if phase == "Running" else "")
    raise ValueError(f"phase {phase!r} is not known")


WAITING = frozenset({"Unschedulable", "SchedulingGated"})
"""Troubles that an autoscaler or another controller may well end."""


def troubles(body: Json) -> Iterator[Trouble]:
    """What keeps a Pod from being ready, worst first; nothing for one that is ready or just starting."""
    status, conditions = status_of(body), conditions_of(body)
    if status.get("phase") == "Succeeded" or conditions.get("Ready", ABSENT).true:
        return
    since, named = _not_ready_since(body), False
    for statuses in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(statuses) or ():
            if trouble := _of_container(body, container, since):
                named = True
                yield trouble
    if status.get("phase") == "Failed":
        if status.get("reason") or not named:
            yield Trouble(str(status.get("reason") or "Failed"), str(status.get("message") or ""), since=since)
        return
    scheduled = conditions.get("PodScheduled", ABSENT)
    if scheduled.false and scheduled.reason != "":
        yield Trouble(scheduled.reason, scheduled.message, since=parse_time(scheduled.since) or since)


def _not_ready_since(body: Json) -> float:
    ready = conditions_of(body).get("Ready", ABSENT)
    return parse_time(ready.since) or parse_time((body.get("metadata") or {}).get("creationTimestamp"))


def _of_container(body: Json, container: Json, since: float) -> Trouble | None:
    name, state = str(container.get("name", "")), container.get("state") or {}
    waiting, last = state.get("waiting") or {}, (container.get("lastState") or {}).get("terminated") or {}
    reason, ended = str(waiting.get("reason") or ""), state.get("terminated") or {}
    if _bad(ended):
        return Trouble(_crash(body, ended), _exit(name, ended), name, since)
    if reason == "CrashLoopBackOff" or (not ended and not waiting and not container.get("ready") and _bad(last)):
        return Trouble(_crash(body, last), _exit(name, last) if last else f"container {name}", name, since)
    if reason in {"ErrImagePull", "ImagePullBackOff"}:
        return Trouble(IMAGE, pull_message(str(waiting.get("message") or ""), image_of(body, container)), name, since)
    if reason not in STARTING:
        message = str(waiting.get("message") or "")
        return Trouble(reason, f"container {name}: {message}" if message else f"container {name}", name, since)
    return None


def _bad(terminated: Json) -> bool:
    return bool(terminated) and terminated.get("exitCode", 0) != 0


def _crash(body: Json, terminated: Json) -> str:
    """Between two crashes a container runs for a while; it is called a crash loop all the time."""
    reason = str(terminated.get("reason") or "")
    if reason in {"OOMKilled", *RUNTIME_MESSAGES}:
        return reason
    once = status_of(body).get("phase") == "Failed" or spec_of(body).get("restartPolicy") == "Never"
    return (reason or "Error") if once else "CrashLoopBackOff"


def _exit(container: str, terminated: Json) -> str:
    reason, code = str(terminated.get("reason") or ""), terminated.get("exitCode", 0)
    words = f"container {container} ended with exit code {code}" + (f" ({reason})" if reason else "")
    message = str(terminated.get("message") or "") if reason in RUNTIME_MESSAGES else ""
    return f"{words}: {message}" if message else words


def image_of(body: Json, container: Json) -> str:
    """The image as the Pod's spec has it; a container status repeats it, often under another name."""
    spec = spec_of(body)
    for row in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        if row.get("name") == container.get("name"):
            return str(row.get("image") or "")
    return str(container.get("image") or "")


def pull_message(message: str, image: str) -> str:
    """The registry's own words, with the image's name, without the kubelet's wrapping: that changes every time."""
    _, _, detail = message.rpartition(": ErrImagePull: ")
    detail = detail or message
    if detail.startswith("Back-off pulling image"):
        detail = ""
    if image and image in detail:
        return detail
    return f"image {image} can't be pulled" + (f": {detail}" if detail else "")
