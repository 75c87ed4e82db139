"""Job and CronJob: Pods that end."""

from atoll.api.objects import Json
from atoll.api.observation import ObjectHealth
from atoll.api.times import parse_time
from atoll.observe.reading import (
    ABSENT,
    by_condition,
    conditions_of,
    degraded,
    healthy,
    number,
    progressing,
    spec_of,
    status_of,
    suspended,
)

RUNNING = "Running"


def job(body: Json) -> ObjectHealth:
    """A condition says something only with status True: a resumed Job keeps `Suspended=False`."""
    conditions = conditions_of(body)
    for name in ("Failed", "FailureTarget"):  # the second comes first, while its last Pods are ending
        if (condition := conditions.get(name, ABSENT)).true:
            return by_condition("Degraded", condition, "Failed")
    if conditions.get("Complete", ABSENT).true:
        return healthy()
    if conditions.get("SuccessCriteriaMet", ABSENT).true:
        return progressing(RUNNING, "it has succeeded; its last Pods are ending")
    if conditions.get("Suspended", ABSENT).true or spec_of(body).get("suspend"):
        return suspended("it is suspended")
    status = status_of(body)
    wanted = number(spec_of(body), "completions", number(spec_of(body), "parallelism", 1))
    return progressing(RUNNING, f"{number(status, 'succeeded')} of {wanted} completions")


def cron_job(body: Json) -> ObjectHealth:
    """A run under way is how it should be, not a change of health: else a status would flap with every run."""
    status = status_of(body)
    if spec_of(body).get("suspend"):
        return suspended("it is suspended")
    if status.get("active"):
        return healthy("a run is under way", reason=RUNNING)
    scheduled, succeeded = parse_time(status.get("lastScheduleTime")), parse_time(status.get("lastSuccessfulTime"))
    if scheduled and succeeded < scheduled:
        return degraded("LastRunFailed", f"the run of {status['lastScheduleTime']} did not succeed")
    return healthy()
