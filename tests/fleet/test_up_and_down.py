"""`atoll up`: one command to a fleet with Atoll and the first example on it, another that ends it without a trace."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atoll.testing.binaries import Binaries
from atoll.testing.localfleet import LocalFleet, processes


class Home:
    """A state folder, and commands in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fleet = LocalFleet(folder, Binaries().find)

    def atoll(self, *args: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "ATOLL_HOME": str(self.folder)}
        return subprocess.run(
            [sys.executable, "-m", "atoll", *args], env=environment, capture_output=True, text=True, check=False
        )

    def read(self, context: str, path: str) -> Any:
        status, body = self.fleet.admin(context).request("GET", path)
        assert status == 200, body
        return json.loads(body)

    def reload(self) -> None:
        self.fleet = LocalFleet(self.folder, Binaries().find)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    opened = Home(tmp_path_factory.mktemp("home") / "atoll")
    try:
        made = opened.atoll("up")
        assert made.returncode == 0, made.stderr
        opened.reload()
        yield opened
    finally:
        opened.fleet.down(purge=True)


def test_the_example_runs_as_its_application_says(home: Home) -> None:
    found = {}
    for member in ("member1", "member2", "member3"):
        deployment = home.read(member, "/apis/apps/v1/namespaces/demo/deployments/web")
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        level = next(entry["value"] for entry in container["env"] if entry["name"] == "LOG_LEVEL")
        found[member] = (deployment["status"]["readyReplicas"], container["image"], level)
        for rest in ("services/web", "configmaps/web"):
            home.read(member, f"/api/v1/namespaces/demo/{rest}")
    assert found == {
        "member1": (4, "nginx:1.29", "info"),
        "member2": (3, "registry.example.com/mirror/nginx:1.29", "info"),
        "member3": (2, "nginx:1.29", "debug"),
    }


def test_members_are_clusters_one_of_each_mode_with_a_provider_and_a_region(home: Home) -> None:
    clusters = home.read("hub", "/apis/atoll.dev/v1alpha1/clusters")["items"]
    found = {
        c["metadata"]["name"]: (next(iter(c["spec"]["connection"])), c["spec"]["provider"], c["status"]["region"])
        for c in clusters
    }
    assert found == {
        "member1": ("direct", "aws", "eu-west-1"),
        "member2": ("tunnel", "gcp", "us-east4"),
        "member3": ("pull", "onprem", "ap-south"),
    }
    listed = [line.split() for line in home.atoll("cluster", "list").stdout.splitlines()[1:]]
    assert [row[:3] for row in listed] == [
        ["member1", "Ready", "direct"],
        ["member2", "Ready", "tunnel"],
        ["member3", "Ready", "pull"],
    ]


def test_a_second_up_reuses_what_runs_and_heals_what_died(home: Home) -> None:
    before = {name: process.pid for name, process in home.fleet.running.items()}
    tokens = home.read("hub", "/api/v1/namespaces/atoll-system/secrets")["items"]
    home.fleet.stop("hub/atoll", "member2/kube-apiserver", "member3/agent", patience=0)
    healed = home.atoll("up")
    assert healed.returncode == 0, healed.stderr
    home.reload()
    after = {name: process.pid for name, process in home.fleet.running.items()}
    changed = {name for name in before if after.get(name) != before[name]}
    assert {"hub/atoll", "member2/kube-apiserver", "member3/agent"} <= changed
    assert {name.partition("/")[0] for name in changed - {"hub/atoll", "member3/agent"}} == {"member2"}
    assert after["member2/agent"] == before["member2/agent"]
    versions = {secret["metadata"]["name"]: secret["metadata"]["resourceVersion"] for secret in tokens}
    again = home.read("hub", "/api/v1/namespaces/atoll-system/secrets")["items"]
    assert {s["metadata"]["name"]: s["metadata"]["resourceVersion"] for s in again} == versions  # nobody joined again


def test_a_fleet_does_not_shrink(home: Home) -> None:
    refused = home.atoll("up", "--members", "2")
    assert refused.returncode == 2
    assert "never shrinks" in refused.stderr
    assert home.fleet.alive


def test_down_ends_everything_and_purge_leaves_nothing(home: Home) -> None:
    home.fleet.running["member3/kube-scheduler"].signal(signal.SIGSTOP)
    assert home.atoll("down").returncode == 0
    assert processes.marked(f"{home.folder}:") == []
    assert home.folder.exists()
    assert home.atoll("down", "--purge").returncode == 0
    assert not home.folder.exists()
    assert "there is no fleet" in home.atoll("down").stdout
