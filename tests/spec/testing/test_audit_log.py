"""An audit log tells what one user asked in a span of time; a watch counts once, when it is opened."""

import json
from pathlib import Path

from atoll.testing.auditlog import Request, counted, moment, requests


def line(verb: str, at: str, user: str = "hub", stage: str = "ResponseComplete", resource: str = "configmaps") -> str:
    event = {"verb": verb, "stage": stage, "requestReceivedTimestamp": at, "user": {"username": user}}
    if resource.startswith("/"):
        return json.dumps(event | {"requestURI": f"{resource}?timeout=4s"}) + "\n"
    return json.dumps(event | {"objectRef": {"resource": resource, "name": "one", "apiVersion": "v1"}}) + "\n"


def test_only_that_user_and_that_time(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text(
        line("patch", "2026-01-01T00:00:01Z")
        + line("patch", "2026-01-01T00:00:02Z")
        + line("patch", "2026-01-01T00:00:02Z", user="somebody")
        + line("watch", "2026-01-01T00:00:03Z", stage="ResponseStarted")
        + line("watch", "2026-01-01T00:00:03Z")
        + line("get", "2026-01-01T00:00:04Z", resource="/version")
        + line("patch", "2026-01-01T00:00:05Z")
        + line("patch", "2026-01-01T00:00:02Z")[:-20]
    )
    found = list(requests(log, "hub", "2026-01-01T00:00:02Z", "2026-01-01T00:00:05Z"))
    assert found == [
        Request("patch", "configmaps", "one"),
        Request("watch", "configmaps", "one"),
        Request("get", "/version", ""),
    ]
    assert counted(found) == {"get /version": 1, "patch configmaps": 1, "watch configmaps": 1}
    assert [one.writes for one in found] == [True, False, False]


def test_now_is_written_as_logs_write_it() -> None:
    assert moment() < "2100"
    assert moment().endswith("Z")
