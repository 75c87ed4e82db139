"""Processes of a fleet are known by number and start; nothing else is ever signalled."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from atoll.testing.localfleet import processes
from atoll.testing.localfleet.processes import Process

SLEEP = ["/bin/sleep", "60"]


def start(tmp_path: Path, name: str = "sleep", args: list[str] | None = None) -> Process:
    mark = f"{tmp_path}:{name}"
    return processes.start(args or SLEEP, mark=mark, log=tmp_path / "logs" / name, environment={"PATH": os.defpath})


def test_a_started_process_lives_in_a_session_of_its_own(tmp_path: Path) -> None:
    process = start(tmp_path)
    assert process.alive
    assert os.getsid(process.pid) == process.pid
    processes.stop([process])
    assert not process.alive


def test_a_process_that_got_the_number_later_is_left_alone(tmp_path: Path) -> None:
    bystander = subprocess.Popen(SLEEP)
    try:
        recorded = Process(bystander.pid, started="an-earlier-boot/1", args=tuple(SLEEP))
        assert not recorded.alive
        processes.stop([recorded], patience=0)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_zombie_is_not_alive(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", "import os,time\nif os.fork()==0: os._exit(0)\nprint(flush=True)\ntime.sleep(60)"],
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    parent.stdout.readline()
    try:
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        child = int(children.read_text().split()[0])
        stat = Path(f"/proc/{child}/stat")
        deadline = time.monotonic() + 5
        while stat.read_text().rsplit(")", 1)[1].split()[0] != "Z" and time.monotonic() < deadline:
            time.sleep(0.01)
        ticks = stat.read_text().rsplit(")", 1)[1].split()[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        assert not Process(child, f"{boot}/{ticks}", ()).alive
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()


def test_what_ignores_the_question_is_killed(tmp_path: Path) -> None:
    stubborn = start(tmp_path, args=["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"])
    log = tmp_path / "logs" / "sleep"
    while "ready" not in log.read_text():
        time.sleep(0.01)
    processes.stop([stubborn], patience=0.2)
    assert not stubborn.alive


def test_a_paused_process_can_be_stopped(tmp_path: Path) -> None:
    process = start(tmp_path)
    process.signal(signal.SIGSTOP)
    processes.stop([process], patience=5)
    assert not process.alive


def test_a_process_that_was_never_written_down_is_found_by_its_mark(tmp_path: Path) -> None:
    process = start(tmp_path, "member1/kwok")
    try:
        assert processes.marked(f"{tmp_path}:") == [("member1/kwok", process)]
        assert processes.marked(f"{tmp_path}-other:") == []
    finally:
        processes.stop([process])


def test_logs_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    processes.stop([start(tmp_path)])
    assert (tmp_path / "logs" / "sleep").stat().st_mode & 0o777 == 0o600
