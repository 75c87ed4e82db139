"""Up, healed, down: a fleet's processes over time. These fleets are small and each test's own."""

import json
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from atoll.testing.binaries import Binaries
from atoll.testing.localfleet import FleetBusyError, FleetShape, LocalFleet, state
from atoll.testing.localfleet.processes import Process
from atoll.testing.progress import Silent

SMALL = FleetShape(members=1, nodes=1)


@pytest.fixture(scope="module")
def programs() -> Binaries:
    return Binaries()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, programs: Binaries) -> Iterator[LocalFleet]:
    """A hub and one member, healed by each test that hurts it."""
    fleet = LocalFleet(tmp_path_factory.mktemp("small"), programs.find)
    try:
        fleet.up(SMALL)
        yield fleet
    finally:
        fleet.down(purge=True)


def numbers(fleet: LocalFleet) -> dict[str, int]:
    return {name: process.pid for name, process in fleet.running.items()}


def test_a_second_up_leaves_everything_as_it_is(small: LocalFleet, programs: Binaries) -> None:
    before, written = numbers(small), small.kubeconfig.stat().st_mtime_ns
    again = LocalFleet(small.folder, programs.find)
    again.up(SMALL)
    assert numbers(again) == before
    assert small.kubeconfig.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    "victim",
    ["etcd", "hub/kube-apiserver", "member1/kube-controller-manager", "member1/kube-scheduler", "member1/kwok"],
)
def test_what_died_is_started_again_and_other_clusters_go_on(small: LocalFleet, victim: str) -> None:
    before = numbers(small)
    small.stop(victim, patience=0)
    assert not small.alive
    small.up(SMALL)
    after = numbers(small)
    changed = {name for name in before if before[name] != after[name]}
    assert victim in changed
    cluster = victim.partition("/")[0]  # an API server's own clients start again with it, instead of backing off
    assert {name.partition("/")[0] for name in changed} == {cluster}
    assert small.alive


def test_a_fleet_comes_back_with_its_objects(small: LocalFleet) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}}
    small.admin("member1").request("POST", "/api/v1/namespaces", namespace)
    config = small.kubeconfig.read_text()
    small.down()
    assert not small.running
    small.up(SMALL)
    assert small.admin("member1").answers("/api/v1/namespaces/kept")
    assert small.kubeconfig.read_text() == config


def test_a_process_started_just_before_its_starter_was_killed_is_not_forgotten(small: LocalFleet) -> None:
    forgotten = small.running["member1/kwok"]
    remembered = state.load(small.folder)
    del remembered.processes["member1/kwok"]
    state.save(small.folder, remembered)
    small.up(SMALL)
    assert small.running["member1/kwok"] == forgotten


def test_a_port_that_somebody_else_took_is_given_up(small: LocalFleet) -> None:
    small.stop("hub/kube-apiserver", patience=0)
    old = small.port("hub")
    with socket.create_server(("127.0.0.1", old)):
        small.up(SMALL)
    assert small.port("hub") != old
    assert f"https://127.0.0.1:{small.port('hub')}" in small.kubeconfig.read_text()
    assert small.alive


def test_only_one_may_change_a_fleet_at_a_time(small: LocalFleet) -> None:
    waiting = threading.Event()

    class Tell(Silent):
        def step(self, text: str) -> None:
            if "waiting for it" in text:
                waiting.set()

    with (
        state.locked(small.folder, Silent()),
        pytest.raises(FleetBusyError),
        state.locked(small.folder, Tell(), patience=0.2),
    ):
        pass
    assert waiting.is_set()


def test_two_ups_at_once_make_one_fleet(small: LocalFleet, programs: Binaries) -> None:
    small.stop("member1/kwok", patience=0)
    twins = [LocalFleet(small.folder, programs.find) for _ in range(2)]
    threads = [threading.Thread(target=twin.up, args=(SMALL,)) for twin in twins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers(twins[0]) == numbers(twins[1])


def test_down_stops_its_own_processes_only(small: LocalFleet, programs: Binaries, tmp_path: Path) -> None:
    beside = LocalFleet(tmp_path / "beside", programs.find)
    try:
        beside.up(FleetShape(members=0))
        mine = numbers(small)
        bystander = subprocess.Popen(["/bin/sleep", "60"])
        recorded = state.load(beside.folder)  # a number that another process got after a component died
        recorded.processes["hub/gone"] = Process(bystander.pid, "an-earlier-boot/1", ("gone",))
        state.save(beside.folder, recorded)
        beside.down(purge=True)
        assert not beside.folder.exists()
        assert bystander.poll() is None
        assert numbers(small) == mine
        bystander.kill()
        bystander.wait()
    finally:
        beside.down(purge=True)


def test_a_paused_cluster_can_be_taken_down(programs: Binaries, tmp_path: Path) -> None:
    fleet = LocalFleet(tmp_path / "paused", programs.find)
    fleet.up(FleetShape(members=0))
    for process in fleet.running.values():
        process.signal(signal.SIGSTOP)
    fleet.down(purge=True)
    assert not fleet.running


def test_a_fleet_grows_and_keeps_what_runs(small: LocalFleet) -> None:
    before = numbers(small)
    small.up(FleetShape(members=2, nodes=2))
    assert small.admin("member1").answers("/api/v1/nodes/member1-node-2")
    assert small.contexts == ("hub", "member1", "member2")
    assert {name: number for name, number in numbers(small).items() if name in before} == before
    assert "member2" in small.kubeconfig.read_text()


def test_a_chosen_context_is_kept(small: LocalFleet) -> None:
    text = small.kubeconfig.read_text()
    small.kubeconfig.write_text(text.replace("current-context: hub", "current-context: member1"))
    small.up(SMALL)
    assert "current-context: member1" in small.kubeconfig.read_text()


def test_nobody_but_the_owner_reads_keys_and_configs(small: LocalFleet) -> None:
    private = [path for path in small.folder.rglob("*") if path.suffix in {".key", ".kubeconfig", ".json", ".yaml"}]
    assert private
    assert {path.stat().st_mode & 0o077 for path in [*private, small.kubeconfig, small.folder]} == {0}


def test_components_listen_on_loopback_only(small: LocalFleet) -> None:
    inodes = {
        str(link.readlink())
        for process in small.running.values()
        for link in Path(f"/proc/{process.pid}/fd").iterdir()
        if link.is_symlink()
    }
    listening = "0A"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == listening and f"socket:[{fields[9]}]" in inodes:
                assert fields[1].startswith("0100007F:"), line


def test_an_audited_fleet_logs_requests(programs: Binaries, tmp_path: Path) -> None:
    fleet = LocalFleet(tmp_path / "audited", programs.find)
    try:
        fleet.up(FleetShape(members=0, audit=True))
        fleet.admin("hub").request("GET", "/api/v1/namespaces/no-such-one")
        lines = (fleet.folder / "hub" / "audit.log").read_text().splitlines()
        assert any(json.loads(line)["requestURI"].endswith("/no-such-one") for line in lines)
    finally:
        fleet.down(purge=True)


def test_a_shared_host_runs_workloads_itself(programs: Binaries, tmp_path: Path) -> None:
    fleet = LocalFleet(tmp_path / "shared", programs.find)
    try:
        fleet.up(FleetShape(members=0, nodes=1, host="shared"))
        assert {"hub/kube-scheduler", "hub/kwok"} <= set(fleet.running)
        assert fleet.admin("hub").answers("/api/v1/nodes/hub-node-1")
    finally:
        fleet.down(purge=True)
