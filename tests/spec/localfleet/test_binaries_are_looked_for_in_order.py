"""Environment, PATH, cache, download, build: each program by itself, the first that will do wins."""

import hashlib
import io
import tarfile
import time
from pathlib import Path

import pytest

from atoll.testing.binaries import PROGRAMS, Binaries, MissingBinaryError, catalog, finder
from atoll.testing.binaries.build import BuildError
from atoll.testing.binaries.catalog import Sums, architecture, parse_version, release
from atoll.testing.binaries.download import published
from tests.spec.localfleet.conftest import VERSIONS, Install, Journal, Site

SERVERS = [program.name for program in PROGRAMS.values() if program.server]


@pytest.fixture(autouse=True)
def _no_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build is tried elsewhere; here, coming to it means that nothing else was found."""

    def refuse(names: list[str], *_: object) -> None:
        raise BuildError(f"would build {', '.join(names)}")

    monkeypatch.setattr(finder, "build", refuse)


def binaries(tmp_path: Path, journal: Journal, **environment: str) -> Binaries:
    return Binaries(
        journal, {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": "", "ATOLL_KUBE_DOWNLOAD": "off", **environment}
    )


def test_the_environment_goes_before_path(tmp_path: Path, install: Install, journal: Journal) -> None:
    given = install(tmp_path / "assets", "etcd")
    install(tmp_path / "path", "etcd")
    found = binaries(tmp_path, journal, KUBEBUILDER_ASSETS=str(tmp_path / "assets"), PATH=str(tmp_path / "path"))
    assert found.find("etcd") == given


def test_each_program_is_looked_for_by_itself(tmp_path: Path, install: Install, journal: Journal) -> None:
    etcd, kwok = install(tmp_path / "assets", "etcd"), install(tmp_path / "path", "kwok")
    found = binaries(tmp_path, journal, KUBEBUILDER_ASSETS=str(tmp_path / "assets"), PATH=str(tmp_path / "path"))
    assert (found.find("etcd"), found.find("kwok")) == (etcd, kwok)


def test_path_goes_before_the_cache(tmp_path: Path, install: Install, journal: Journal) -> None:
    on_path = install(tmp_path / "path", "etcd")
    found = binaries(tmp_path, journal, PATH=str(tmp_path / "path"))
    install(found.cache, "etcd")
    assert found.find("etcd") == on_path


def test_the_cache_goes_before_a_download(tmp_path: Path, install: Install, journal: Journal, site: Site) -> None:
    found = binaries(tmp_path, journal, ATOLL_KUBE_MIRROR=site.url, ATOLL_KUBE_DOWNLOAD="on")
    cached = install(found.cache, "etcd")
    assert found.find("etcd") == cached
    assert site.asked == []


def test_an_old_or_broken_program_is_passed_over_and_named(tmp_path: Path, install: Install, journal: Journal) -> None:
    install(tmp_path / "path", "kube-apiserver", says="Kubernetes v1.29.9")
    install(tmp_path / "path", "etcd", status=1)
    found = binaries(tmp_path, journal, PATH=str(tmp_path / "path"))
    cached = {name: install(found.cache, name) for name in ("kube-apiserver", "etcd")}
    assert {name: found.find(name) for name in cached} == cached
    assert "older than 1.30" in journal.text
    assert "does not run" in journal.text


def test_any_kubectl_will_do(tmp_path: Path, install: Install, journal: Journal) -> None:
    kubectl = install(tmp_path / "path", "kubectl", says="Client Version: v1.19.3-dispatcher")
    assert binaries(tmp_path, journal, PATH=str(tmp_path / "path")).find("kubectl") == kubectl


def test_the_servers_of_a_control_plane_are_of_one_version(tmp_path: Path, install: Install, journal: Journal) -> None:
    server = install(tmp_path / "assets", "kube-apiserver", says="Kubernetes v1.34.2")
    install(tmp_path / "path", "kube-scheduler", says="Kubernetes v1.31.0")
    found = binaries(tmp_path, journal, KUBEBUILDER_ASSETS=str(tmp_path / "assets"), PATH=str(tmp_path / "path"))
    install(found.cache, "kube-scheduler")
    assert found.find("kube-apiserver") == server
    assert found.find("kube-scheduler") == found.cache / "kube-scheduler"
    assert "is not of the API server's version 1.34" in journal.text


def test_a_scheduler_on_path_must_fit_the_api_server_that_will_be_built(
    tmp_path: Path, install: Install, journal: Journal
) -> None:
    install(tmp_path / "path", "kube-scheduler", says="Kubernetes v1.31.0")
    with pytest.raises(MissingBinaryError, match=r"would build kube-apiserver.*kube-scheduler"):
        binaries(tmp_path, journal, PATH=str(tmp_path / "path")).find_all()


def mirror(site: Site, name: str, content: bytes, *, digest: str = "") -> None:
    """Put the program `name` on `site`, as a mirror has it."""
    entry = release(name, architecture())
    if entry.member:
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            info = tarfile.TarInfo(entry.member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        content = archive.getvalue()
    path = site.folder / entry.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    with (site.folder / "SHA256SUMS").open("a") as index:
        index.write(f"{digest or hashlib.sha256(content).hexdigest()}  {entry.path}\n")


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_a_mirror_gives_each_program(tmp_path: Path, journal: Journal, site: Site, name: str) -> None:
    mirror(site, name, b"#!/bin/sh\n")
    found = binaries(tmp_path, journal, ATOLL_KUBE_MIRROR=site.url, ATOLL_KUBE_DOWNLOAD="on")
    path = found.find(name)
    assert path == found.cache / name
    assert path.read_bytes() == b"#!/bin/sh\n"
    assert path.stat().st_mode & 0o111


def test_the_second_time_nothing_is_downloaded(tmp_path: Path, journal: Journal, site: Site) -> None:
    mirror(site, "kwok", b"x")
    for _ in range(2):
        binaries(tmp_path, journal, ATOLL_KUBE_MIRROR=site.url, ATOLL_KUBE_DOWNLOAD="on").find("kwok")
    assert len(site.asked) == 2  # the index, and the file


def test_what_does_not_match_its_checksum_is_refused_loudly(tmp_path: Path, journal: Journal, site: Site) -> None:
    mirror(site, "kwok", b"something else", digest="0" * 64)
    found = binaries(tmp_path, journal, ATOLL_KUBE_MIRROR=site.url, ATOLL_KUBE_DOWNLOAD="on")
    with pytest.raises(MissingBinaryError, match=r"refused.*would build kwok"):  # the next step is taken
        found.find("kwok")
    assert journal.text.startswith("WARNING: ")
    assert [path.name for path in found.cache.iterdir()] == [".lock"]


def test_what_has_no_checksum_is_not_even_fetched(tmp_path: Path, journal: Journal, site: Site) -> None:
    mirror(site, "kwok", b"x")
    (site.folder / "SHA256SUMS").write_text("")
    found = binaries(tmp_path, journal, ATOLL_KUBE_MIRROR=site.url, ATOLL_KUBE_DOWNLOAD="on")
    with pytest.raises(MissingBinaryError, match="publishes no SHA-256"):
        found.find("kwok")
    assert site.asked == ["/SHA256SUMS 200"]


def test_a_file_that_is_not_there_falls_through(tmp_path: Path, journal: Journal, site: Site) -> None:
    found = binaries(tmp_path, journal, ATOLL_KUBE_MIRROR=site.url, ATOLL_KUBE_DOWNLOAD="on")
    with pytest.raises(MissingBinaryError, match=r"answers 404.*would build etcd"):
        found.find("etcd")


def test_an_offline_machine_falls_through_at_once(tmp_path: Path, journal: Journal, site: Site) -> None:
    site.close()
    began = time.monotonic()
    found = binaries(tmp_path, journal, ATOLL_KUBE_MIRROR=site.url, ATOLL_KUBE_DOWNLOAD="on")
    with pytest.raises(MissingBinaryError, match="can't be reached"):
        found.find_all()
    assert time.monotonic() - began < 5
    assert len([step for step in journal if "can't be reached" in step]) == 1  # said once, not for each program


def test_downloads_can_be_switched_off(tmp_path: Path, journal: Journal, site: Site) -> None:
    mirror(site, "kwok", b"x")
    with pytest.raises(MissingBinaryError, match="would build kwok"):
        binaries(tmp_path, journal, ATOLL_KUBE_MIRROR=site.url, ATOLL_KUBE_DOWNLOAD="off").find("kwok")
    assert site.asked == []


def test_all_that_is_missing_is_built_at_once(tmp_path: Path, install: Install, journal: Journal) -> None:
    install(tmp_path / "path", "kubectl")
    found = binaries(tmp_path, journal, PATH=str(tmp_path / "path"))
    with pytest.raises(MissingBinaryError, match=f"would build {', '.join([*SERVERS, 'etcd', 'kwok'])}"):
        found.find_all()


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("ab12\n", Sums.BARE, "ab12"),
        ("AB12  kwok-linux-amd64", Sums.BARE, "ab12"),
        ("", Sums.BARE, ""),
        ("ab12  etcd.tar.gz\ncd34 *other.tar.gz\n", Sums.LIST, "ab12"),
        ("cd34  other.tar.gz", Sums.LIST, ""),
        ('{"assets": [{"name": "etcd.tar.gz", "digest": "sha256:ab12"}]}', Sums.GITHUB, "ab12"),
        ('{"assets": [{"name": "etcd.tar.gz", "digest": null}]}', Sums.GITHUB, ""),
        ("{}", Sums.GITHUB, ""),
    ],
)
def test_checksums_are_read_as_each_site_publishes_them(text: str, kind: Sums, expected: str) -> None:
    assert published(text, kind, "etcd.tar.gz") == expected


@pytest.mark.parametrize(
    ("said", "expected"), [(VERSIONS["etcd"], (3, 6)), ("Kubernetes v1.36.1-3+abc", (1, 36)), ("?", None)]
)
def test_versions_are_read_from_what_programs_say(said: str, expected: tuple[int, int] | None) -> None:
    assert parse_version(said) == expected


def test_a_download_is_of_the_version_that_a_build_would_give() -> None:
    module = (Path(__file__).parents[3] / "localkube" / "go.mod").read_text()
    for line in (
        f"k8s.io/kubernetes {catalog.KUBERNETES}",
        f"go.etcd.io/etcd/server/v3 {catalog.ETCD}",
        f"sigs.k8s.io/kwok {catalog.KWOK}",
    ):
        assert line in module
