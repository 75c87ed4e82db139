"""`Binaries` walks the look-up order for each program, and remembers what it found."""

import fcntl
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from atoll.testing.binaries.build import BuildError, build, fingerprint, sources
from atoll.testing.binaries.catalog import (
    ETCD,
    KUBERNETES,
    KWOK,
    PROGRAMS,
    Program,
    Version,
    architecture,
    parse_version,
    release,
)
from atoll.testing.binaries.download import ChecksumError, DownloadError, Downloads
from atoll.testing.progress import Progress, Silent


class MissingBinaryError(Exception):
    """No step of the look-up gave the program. The message says what each step met."""


class Binaries:
    """Finds programs by name. `environment` holds KUBEBUILDER_ASSETS, PATH and the rest; default: the process's own."""

    def __init__(self, progress: Progress | None = None, environment: Mapping[str, str] | None = None) -> None:
        self._progress = Silent() if progress is None else progress
        self._environment = os.environ if environment is None else environment
        self._downloads = Downloads(self._environment.get("ATOLL_KUBE_MIRROR", ""), self._progress)
        self._found: dict[str, Path] = {}
        self._guard = threading.Lock()
        self._server: Version | None = None

    def find(self, name: str) -> Path:
        """Where `name` is. The first call for it may download or build."""
        with self._guard:
            return self._find((name,))[name]

    def find_all(self) -> dict[str, Path]:
        """All programs, so that what must be built is built at once."""
        with self._guard:
            return self._find(tuple(PROGRAMS))

    @property
    def cache(self) -> Path:
        """Keyed by everything that decides what is built."""
        key = f"{KUBERNETES}-etcd-{ETCD}-kwok-{KWOK}-{architecture()}-{fingerprint(sources())}"
        return self._caches / "programs" / key

    @property
    def _caches(self) -> Path:
        base = (
            self._environment.get("XDG_CACHE_HOME") or Path(self._environment.get("HOME", "~")).expanduser() / ".cache"
        )
        return Path(base) / "atoll"

    def _find(self, names: tuple[str, ...]) -> dict[str, Path]:
        missing = [name for name in names if name not in self._found and not self._present(PROGRAMS[name])]
        if missing:
            self._obtain(missing)
        return {name: self._found[name] for name in names}

    def _present(self, program: Program) -> bool:
        """It lies somewhere on this machine."""
        assets = self._environment.get("KUBEBUILDER_ASSETS")
        candidates = [("KUBEBUILDER_ASSETS", Path(assets) / program.name)] if assets else []
        on_path = shutil.which(program.name, path=self._environment.get("PATH", ""))
        candidates += [("PATH", Path(on_path))] if on_path else []
        for origin, path in candidates:
            if path.exists() and self._usable(program, path, origin):
                self._found[program.name] = path
                return True
        if program.server and self._server is None:  # it comes from the cache, or will be got: the others must fit
            self._server = parse_version(KUBERNETES)
        cached = self.cache / program.name
        if cached.exists():
            self._found[program.name] = cached
        return cached.exists()

    def _usable(self, program: Program, path: Path, origin: str) -> bool:
        try:
            said = subprocess.run(
                [path, *program.version_args], capture_output=True, text=True, timeout=30, check=True
            ).stdout
        except (OSError, subprocess.SubprocessError) as error:
            self._progress.step(f"{path} (from {origin}) does not run, looking further: {error}")
            return False
        version = parse_version(said)
        if version is None or version < program.minimum:
            oldest = ".".join(map(str, program.minimum))
            self._progress.step(f"{path} (from {origin}) is older than {oldest}, looking further")
            return False
        if program.server:
            if self._server not in (None, version):
                wanted = ".".join(map(str, self._server or ()))
                self._progress.step(
                    f"{path} (from {origin}) is not of the API server's version {wanted}, looking further"
                )
                return False
            self._server = version
        return True

    def _obtain(self, names: list[str]) -> None:
        """Download or build `names` into the cache, one process at a time."""
        with self._locked():
            met: list[str] = []
            wanted = [name for name in names if not (self.cache / name).exists()]
            missing = [name for name in wanted if not self._downloaded(name, met)]
            if missing:
                try:
                    build(missing, self.cache, self._caches / "toolchains", self._progress)
                except BuildError as error:
                    raise MissingBinaryError(f"{', '.join(missing)}: not found. {' '.join(met)} {error}") from error
            if wanted and missing:
                self._progress.step(f"built {', '.join(missing)} into {self.cache}")
        for name in names:
            self._found[name] = self.cache / name

    def _downloaded(self, name: str, met: list[str]) -> bool:
        if self._environment.get("ATOLL_KUBE_DOWNLOAD", "").lower() in ("off", "0", "no", "false"):
            return False
        try:
            self._downloads.fetch(release(name, architecture()), self.cache / name)
        except ChecksumError as error:
            self._progress.step(f"WARNING: {error}")
            met.append(f"{error}.")
            return False
        except DownloadError as error:
            if str(error) not in met:
                self._progress.step(f"no download of {name}: {error}")
                met.append(str(error))
            return False
        self._progress.step(f"downloaded {name}")
        return True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.cache.mkdir(parents=True, exist_ok=True)
        with (self.cache / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._progress.step("another process is getting the programs; waiting for it")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield
