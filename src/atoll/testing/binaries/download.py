"""Downloads with a checksum. What does not match is thrown away, and said aloud."""

import hashlib
import json
import os
import shutil
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import IO, cast
from urllib.parse import urlsplit
from urllib.response import addinfourl

from atoll.testing.binaries.catalog import Release, Sums
from atoll.testing.progress import Progress

CONNECT_PATIENCE = 5.0
"""Seconds for a connection, and for each read: an offline machine must fall through to the build soon."""

INDEX = "SHA256SUMS"


class DownloadError(Exception):
    """Nothing usable came. The message says what was asked where."""


class ChecksumError(DownloadError):
    """Something came, and was not what its publisher says."""


class Downloads:
    """Fetches releases, from `mirror` when given. A host that could not be reached is not asked again.

    A mirror is any web server with the files at `Release.path`, and at its root an index `SHA256SUMS` of them as
    sha256sum writes it.
    """

    def __init__(self, mirror: str, progress: Progress) -> None:
        self._mirror = mirror.rstrip("/")
        self._progress = progress
        self._unreachable: dict[str, str] = {}

    def fetch(self, release: Release, target: Path) -> None:
        """Put the program of `release` at `target`, executable. Nothing is left there on failure."""
        url = f"{self._mirror}/{release.path}" if self._mirror else release.url
        wanted = self._checksum(release)
        partial = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            found = self._save(url, partial)
            if found != wanted:
                raise ChecksumError(f"{url} has the SHA-256 {found}, but {wanted} was published: refused")
            if release.member:
                _extract(partial, release.member)
            partial.chmod(0o755)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def _checksum(self, release: Release) -> str:
        url = f"{self._mirror}/{INDEX}" if self._mirror else release.sums_url
        with self._open(url) as response:
            text = response.read(16 << 20).decode(errors="replace")
        file = release.path if self._mirror else Path(urlsplit(release.url).path).name
        kind = Sums.LIST if self._mirror else release.sums
        digest = published(text, kind, file)
        if len(digest) != 64:
            raise DownloadError(f"{url} publishes no SHA-256 for {file}")
        return digest

    def _save(self, url: str, path: Path) -> str:
        digest = hashlib.sha256()
        done = 0
        with self._open(url) as response, path.open("wb") as file:
            total = int(response.headers.get("Content-Length", 0)) >> 20
            try:
                while chunk := response.read(1 << 20):
                    digest.update(chunk)
                    file.write(chunk)
                    done += len(chunk)
                    self._progress.tick(f"{url}: {done >> 20} of {total or '?'} MiB")
            except OSError as error:
                raise DownloadError(f"{url} broke off after {done} bytes: {error}") from error
        return digest.hexdigest()

    def _open(self, url: str) -> addinfourl:
        host = urlsplit(url).netloc
        if host in self._unreachable:
            raise DownloadError(self._unreachable[host])
        try:
            return cast("addinfourl", urllib.request.urlopen(url, timeout=CONNECT_PATIENCE))  # noqa: S310 sites we chose
        except urllib.error.HTTPError as error:
            raise DownloadError(f"{url} answers {error.code} {error.reason}") from error
        except OSError as error:
            reason = getattr(error, "reason", error)
            self._unreachable[host] = f"{host} can't be reached: {reason}"
            raise DownloadError(self._unreachable[host]) from error


def published(text: str, kind: Sums, file: str) -> str:
    """The SHA-256 that `text` gives for `file`; empty when it gives none."""
    match kind:
        case Sums.BARE:
            words = text.split()
            return words[0].lower() if words else ""
        case Sums.LIST:
            rows = (line.split(maxsplit=1) for line in text.splitlines())
            sums = {row[1].lstrip("*./"): row[0].lower() for row in rows if len(row) == 2}
            return sums.get(file, "")
        case Sums.GITHUB:
            assets: list[Mapping[str, str]] = json.loads(text).get("assets", [])
            digests = {asset["name"]: asset.get("digest") or "" for asset in assets}
            return digests.get(file, "").removeprefix("sha256:")


def _extract(archive: Path, member: str) -> None:
    """Replace `archive` by its file `member`."""
    with tarfile.open(archive) as tar:
        source: IO[bytes] | None = tar.extractfile(member)
        if source is None:
            raise DownloadError(f"the archive has no file {member}")
        content = archive.with_name(f"{archive.name}.member")
        with source, content.open("wb") as file:
            shutil.copyfileobj(source, file)
        content.replace(archive)
