"""Which programs there are, which versions do, and where their projects release them."""

import platform
import re
from dataclasses import dataclass
from enum import Enum

KUBERNETES = "v1.36.1"
ETCD = "v3.6.8"
KWOK = "v0.8.0"
"""The same as localkube/go.mod builds; a test compares them."""

Version = tuple[int, int]


class Sums(Enum):
    """How a release site publishes checksums."""

    BARE = "a file with the digest alone"
    LIST = "a file as sha256sum writes it"
    GITHUB = "the field `digest` of a GitHub release's assets"


@dataclass(frozen=True)
class Release:
    """One file on a release site. `path` names it on a mirror, `member` within a tar archive."""

    url: str
    sums_url: str
    sums: Sums
    path: str
    member: str = ""


@dataclass(frozen=True)
class Program:
    """A program, how it tells its version, and the oldest that does."""

    name: str
    version_args: tuple[str, ...]
    minimum: Version
    server: bool = False
    """One of the three programs of a control plane, which must be of one minor version."""


PROGRAMS = {
    program.name: program
    for program in (
        Program("kube-apiserver", ("--version",), (1, 30), server=True),
        Program("kube-controller-manager", ("--version",), (1, 30), server=True),
        Program("kube-scheduler", ("--version",), (1, 30), server=True),
        Program("etcd", ("--version",), (3, 5)),
        Program("kwok", ("--version",), (0, 7)),
        Program("kubectl", ("version", "--client"), (1, 0)),  # any kubectl speaks to these servers well enough
    )
}


def parse_version(text: str) -> Version | None:
    """The first version in what a program printed."""
    found = re.search(r"\bv?(\d+)\.(\d+)\.\d+", text)
    return (int(found[1]), int(found[2])) if found else None


def architecture() -> str:
    """This machine's, as Go names it."""
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def release(name: str, arch: str) -> Release:
    """Where the program `name` is released for Linux on `arch`."""
    match name:
        case "etcd":
            folder = f"etcd-{ETCD}-linux-{arch}"
            base = f"https://github.com/etcd-io/etcd/releases/download/{ETCD}"
            path = f"etcd/{ETCD}/{folder}.tar.gz"
            return Release(f"{base}/{folder}.tar.gz", f"{base}/SHA256SUMS", Sums.LIST, path, f"{folder}/etcd")
        case "kwok":
            project, file = "kubernetes-sigs/kwok/releases", f"kwok-linux-{arch}"
            return Release(
                f"https://github.com/{project}/download/{KWOK}/{file}",
                f"https://api.github.com/repos/{project}/tags/{KWOK}",
                Sums.GITHUB,
                f"kwok/{KWOK}/{file}",
            )
        case _:
            path = f"{KUBERNETES}/bin/linux/{arch}/{name}"
            url = f"https://dl.k8s.io/{path}"
            return Release(url, f"{url}.sha256", Sums.BARE, f"kubernetes/{path}")
