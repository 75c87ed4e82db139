"""From an unhealthy object, its Pods and the warnings of its namespace to what is wrong, the true cause on top."""

from typing import Any

import pytest

from atoll.api.objects import ObjectId
from atoll.api.observation import ObjectHealth, Problem
from atoll.observe.evidence import Complaint, complaint, pod_view, selector_of
from atoll.observe.health import assess
from atoll.observe.problems import find_problems

from .bodies import condition, custom, daemon_set, deployment, job, live, pod, stateful_set, terminated, waiting

WEB = ObjectId("apps", "Deployment", "shop", "web")
PROGRESSING = ObjectHealth("Progressing", "RollingOut", "0 of 3 replicas are available")
STUCK = ObjectHealth("Degraded", "ProgressDeadlineExceeded", 'ReplicaSet "web-abc" has timed out progressing.')
UNSCHEDULABLE = condition(
    "PodScheduled",
    "False",
    "Unschedulable",
    "0/3 nodes are available: 3 Insufficient cpu.",
    lastTransitionTime="2026-01-01T00:00:05Z",
)
NOW = 1_767_225_700.0  # 2026-01-01T00:01:40Z


def problems(
    health: ObjectHealth = PROGRESSING, *, about: ObjectId = WEB, pods: Any = (), events: Any = (), since: float = 1.0
) -> tuple[Problem, ...]:
    return find_problems(about, health, [pod_view(p) for p in pods], events, now=NOW, since=since)


def told(health: ObjectHealth = PROGRESSING, **more: Any) -> list[tuple[str, str]]:
    return [(str(p.object), p.reason) for p in problems(health, **more)]


def warned(kind: str, name: str, reason: str, message: str = "", ago: float = 10.0) -> Complaint:
    return Complaint(kind, name, reason, message, NOW - ago - 5, NOW - ago)


def pulling(name: str, reason: str = "ErrImagePull", message: str = "not found") -> dict[str, Any]:
    return pod("Pending", name=name, containerStatuses=[waiting(reason, message)])


def test_an_image_that_cannot_be_pulled_is_named() -> None:
    (problem,) = problems(pods=[pulling("web-1", message="failed to resolve reference: not found")])
    assert problem.object == ObjectId("", "Pod", "shop", "web-1")
    assert problem.reason == "ErrImagePull"
    assert problem.message == "image shop/web:1 can't be pulled: failed to resolve reference: not found"


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("ErrImagePull", "not found"),
        ("ImagePullBackOff", 'Back-off pulling image "shop/web:1": ErrImagePull: not found'),
    ],
)
def test_two_names_of_one_trouble_read_the_same_so_that_a_status_does_not_flap(reason: str, message: str) -> None:
    (problem,) = problems(pods=[pulling("web-1", reason, message)])
    assert (problem.reason, problem.message) == ("ErrImagePull", "image shop/web:1 can't be pulled: not found")


def test_the_same_trouble_of_many_pods_is_one_problem_with_a_count_and_the_earliest_date() -> None:
    rows = [pulling(f"web-{n}") for n in (3, 1, 2)]
    rows[2]["status"]["conditions"][0]["lastTransitionTime"] = "2026-01-01T00:00:02Z"
    (problem,) = problems(pods=rows)
    assert (problem.object.name, problem.count, problem.since) == ("web-2", 3, 1_767_225_602.0)


def test_the_cause_stands_above_its_consequence() -> None:
    assert told(STUCK, pods=[pulling("web-1")]) == [
        ("Pod/web-1", "ErrImagePull"),
        ("Deployment/web", "ProgressDeadlineExceeded"),
    ]


@pytest.mark.parametrize(
    ("last", "reason", "message"),
    [
        ({"exitCode": 1, "reason": "Error"}, "CrashLoopBackOff", "container app ended with exit code 1 (Error)"),
        ({"exitCode": 137, "reason": "OOMKilled"}, "OOMKilled", "container app ended with exit code 137 (OOMKilled)"),
        (
            {"exitCode": 0, "reason": "Completed"},
            "CrashLoopBackOff",
            "container app ended with exit code 0 (Completed)",
        ),
        (
            {"exitCode": 128, "reason": "StartError", "message": 'exec: "webb": executable file not found'},
            "StartError",
            'container app ended with exit code 128 (StartError): exec: "webb": executable file not found',
        ),
    ],
)
def test_a_crash_says_how_the_container_ended(last: Any, reason: str, message: str) -> None:
    (problem,) = problems(pods=[pod(containerStatuses=[waiting("CrashLoopBackOff", "back-off 10s", last)])])
    assert (problem.reason, problem.message) == (reason, message)


def test_what_a_program_wrote_before_its_end_is_not_repeated() -> None:
    last = {"exitCode": 1, "reason": "Error", "message": "password=hunter2"}
    (problem,) = problems(pods=[pod(containerStatuses=[waiting("CrashLoopBackOff", "", last)])])
    assert "hunter2" not in problem.message


def test_missing_configuration_is_named() -> None:
    text = 'secret "db" not found'
    (problem,) = problems(pods=[pod("Pending", containerStatuses=[waiting("CreateContainerConfigError", text)])])
    assert (problem.reason, problem.message) == ("CreateContainerConfigError", f"container app: {text}")


def test_the_schedulers_words() -> None:
    (problem,) = problems(pods=[pod("Pending", conditions=[UNSCHEDULABLE])])
    assert (problem.reason, problem.message) == ("Unschedulable", "0/3 nodes are available: 3 Insufficient cpu.")
    assert problem.since == 1_767_225_605.0


def test_an_event_that_repeats_a_pods_own_status_is_left_out() -> None:
    about = {"kind": "Pod", "name": "web-1"}
    event = complaint({"involvedObject": about, "reason": "FailedScheduling", "lastTimestamp": "2026-01-01T00:01:00Z"})
    found = told(pods=[pod("Pending", conditions=[UNSCHEDULABLE])], events=[event])
    assert found == [("Pod/web-1", "Unschedulable")]


def test_pods_that_cannot_be_made() -> None:
    quota = 'pods "web-abc-1" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2'
    own = ObjectHealth("Degraded", "FailedCreate", quota)
    event = warned("ReplicaSet", "web-abc", "FailedCreate", "Error creating: " + quota)
    (problem,) = problems(own, events=[event])
    assert (str(problem.object), problem.reason, problem.message) == ("Deployment/web", "FailedCreate", quota)
    assert told(events=[event]) == [("ReplicaSet/web-abc", "FailedCreate")]


@pytest.mark.parametrize(("kind", "group"), [("StatefulSet", "apps"), ("DaemonSet", "apps"), ("Job", "batch")])
def test_workloads_without_such_a_condition_say_it_by_event(kind: str, group: str) -> None:
    event = warned(kind, "web", "FailedCreate", 'admission webhook "policy.example.org" denied the request: no')
    (problem,) = problems(about=ObjectId(group, kind, "shop", "web"), events=[event])
    assert (str(problem.object), problem.reason) == (f"{kind}/web", "FailedCreate")
    assert "policy.example.org" in problem.message


def test_what_keeps_a_pod_from_starting_or_being_ready() -> None:
    starting = pod("Pending", name="web-1", spec={"nodeName": "n1"}, containerStatuses=[waiting("ContainerCreating")])
    mount = warned(
        "Pod", "web-1", "FailedMount", 'MountVolume.SetUp failed for volume "config": configmap "x" not found'
    )
    assert told(pods=[starting], events=[mount]) == [("Pod/web-1", "FailedMount")]
    running = pod(name="web-1", containerStatuses=[{"name": "app", "state": {"running": {}}}])
    probe = warned("Pod", "web-1", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")
    assert told(pods=[running], events=[probe]) == [("Pod/web-1", "Unhealthy")]


def test_events_of_pods_that_are_ready_or_gone_or_old_say_nothing() -> None:
    ready = pod(ready="True", name="web-1")
    events = [
        warned("Pod", "web-1", "Unhealthy"),
        warned("Pod", "web-9", "FailedMount"),
        warned("ReplicaSet", "web-abc", "FailedCreate", ago=3000),
        warned("ReplicaSet", "other-abc", "FailedCreate"),
        warned("Pod", "web-1", "SomethingElse"),
    ]
    assert told(pods=[ready], events=events) == []


def test_what_was_in_the_way_of_an_earlier_stage_is_over() -> None:
    waiting_for = pod("Pending", spec={"nodeName": "n1"}, containerStatuses=[waiting("ContainerCreating")])
    assert told(pods=[waiting_for], events=[warned("Pod", "web-1", "Unschedulable")]) == []
    running = pod(containerStatuses=[{"name": "app", "state": {"running": {}}}], spec={"nodeName": "n1"})
    assert told(pods=[running], events=[warned("Pod", "web-1", "FailedMount")]) == []


def test_pods_that_could_be_made_in_the_end_are_no_problem_any_more() -> None:
    event = warned("ReplicaSet", "web-abc", "FailedCreate", 'serviceaccount "web" not found', ago=10)
    older, newer = pod("Pending"), pod("Pending", name="web-2")
    newer["metadata"]["creationTimestamp"] = "2026-01-01T00:01:31Z"
    assert told(pods=[older], events=[event]) == [("ReplicaSet/web-abc", "FailedCreate")]
    assert told(pods=[older, newer], events=[event]) == []


def test_a_failed_job_shows_how_its_pod_ended_above_its_own_words() -> None:
    about = ObjectId("batch", "Job", "shop", "web")
    failed = pod("Failed", spec={"restartPolicy": "Never"}, containerStatuses=[terminated(3)])
    failed["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "web", "controller": True}]
    own = assess(
        job(condition("Failed", "True", "BackoffLimitExceeded", "Job has reached the specified backoff limit"))
    )
    assert told(own, about=about, pods=[failed]) == [("Pod/web-1", "Error"), ("Job/web", "BackoffLimitExceeded")]


def test_an_evicted_pod() -> None:
    gone = pod("Failed", reason="Evicted", message="The node was low on resource: memory.")
    assert [(p.reason, p.message) for p in problems(pods=[gone])] == [
        ("Evicted", "The node was low on resource: memory.")
    ]


def test_pods_of_another_workload_with_the_same_labels_are_not_ours() -> None:
    other = pulling("api-1")
    other["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "api-abc", "controller": True}]
    assert told(pods=[other]) == []


def test_pods_that_are_being_deleted_are_no_problem() -> None:
    going = pulling("web-1")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert told(pods=[going]) == []


def test_a_custom_resource_says_it_by_its_conditions() -> None:
    about = ObjectId("example.org", "Database", "shop", "web")
    stalled = assess(custom(condition("Stalled", "True", "BadSpec", "no such engine")))
    assert told(stalled, about=about) == [("Database.example.org/web", "BadSpec")]
    unready = assess(custom(condition("Ready", "False", "DiskFull", "no space left")))
    assert told(unready, about=about) == [("Database.example.org/web", "DiskFull")]
    assert told(assess(custom(condition("Reconciling", "True"))), about=about) == []


def test_a_stuck_deletion_is_a_problem_and_a_rollout_is_none() -> None:
    body = live("v1", "ConfigMap", deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["example.org/keep"])
    (problem,) = problems(assess(body), about=ObjectId("", "ConfigMap", "shop", "web"))
    assert (problem.reason, problem.message) == ("Terminating", "it is being deleted, held by example.org/keep")
    assert told() == []


def test_at_most_three_and_the_gravest() -> None:
    rows = [
        pulling("web-1"),
        pod("Pending", name="web-2", conditions=[UNSCHEDULABLE]),
        pod("Pending", name="web-3", containerStatuses=[waiting("CreateContainerConfigError", "x")]),
        pod("Pending", name="web-4", spec={"nodeName": "n1"}, containerStatuses=[waiting("ContainerCreating")]),
    ]
    found = told(STUCK, pods=rows, events=[warned("Pod", "web-4", "FailedMount")])
    assert [reason for _, reason in found] == ["ErrImagePull", "CreateContainerConfigError", "FailedMount"]


def test_messages_are_one_short_line_without_control_characters() -> None:
    nasty = "line one\r\n\x1b[31mred\x1b[0m \x1b]8;;http://evil\x07link\x1b]8;;\x07 \u202egnol\u2069 \x00" + "x" * 400
    (problem,) = problems(ObjectHealth("Degraded", "Bad", nasty))
    assert problem.message.startswith("line one red link gnol xxx")
    assert len(problem.message) == 256
    assert problem.message.isprintable()


def test_rejected_values_of_a_secret_are_not_repeated() -> None:
    about = ObjectId("", "Secret", "shop", "db")
    text = 'Secret "db" is invalid: data[password]: Invalid value: "aHVudGVyMg==": bad'
    (problem,) = problems(ObjectHealth("Degraded", "Invalid", text), about=about)
    assert problem.message == 'Secret "db" is invalid: data[password]: (value hidden): bad'


def test_events_count_and_date_in_either_way() -> None:
    about = {"kind": "Pod", "name": "web-1"}
    old = {
        "involvedObject": about,
        "reason": "X",
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:01:00Z",
    }
    new = {
        "involvedObject": about,
        "reason": "X",
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "series": {"lastObservedTime": "2026-01-01T00:01:00.000000Z"},
    }
    assert complaint(old) == complaint(new) == Complaint("Pod", "web-1", "X", "", 1_767_225_600.0, 1_767_225_660.0)


@pytest.mark.parametrize(
    ("body", "query"),
    [
        (deployment(spec={"selector": {"matchLabels": {"b": "2", "a": "1"}}}), "a=1,b=2"),
        (
            stateful_set(
                spec={
                    "selector": {
                        "matchExpressions": [
                            {"key": "tier", "operator": "In", "values": ["a", "b"]},
                            {"key": "env", "operator": "NotIn", "values": ["test"]},
                            {"key": "app", "operator": "Exists"},
                            {"key": "old", "operator": "DoesNotExist"},
                        ]
                    }
                }
            ),
            "tier in (a,b),env notin (test),app,!old",
        ),
        (live("v1", "ReplicationController", {"selector": {"a": "1"}}), "a=1"),
        (live("v1", "Service", {"selector": {"a": "1"}}), ""),
        (live("example.org/v1", "Database", {"selector": {"matchLabels": {"a": "1"}}}), ""),
        (daemon_set(), ""),
    ],
)
def test_a_workloads_own_selector_as_a_query(body: dict[str, Any], query: str) -> None:
    group = body["apiVersion"].rpartition("/")[0]
    assert selector_of(ObjectId(group, body["kind"], "shop", "web"), body) == query
