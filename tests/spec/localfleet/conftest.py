"""Programs that only say their version, and a web server for downloads."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

VERSIONS = {
    "kube-apiserver": "Kubernetes v1.36.1",
    "kube-controller-manager": "Kubernetes v1.36.1",
    "kube-scheduler": "Kubernetes v1.36.1",
    "etcd": "etcd Version: 3.6.8",
    "kwok": "kwok version v0.8.0 go1.26.8 (linux/amd64)",
    "kubectl": "Client Version: v1.20.0",
}

Install = Callable[..., Path]


@pytest.fixture
def install() -> Install:
    """`install(folder, name, says=…)` puts a program there that prints `says` and does nothing else."""

    def put(folder: Path, name: str, says: str | None = None, status: int = 0) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_text(f"#!/bin/sh\necho '{VERSIONS[name] if says is None else says}'\nexit {status}\n")
        path.chmod(0o755)
        return path

    return put


class Journal(list[str]):
    """Steps that were told, as `atoll.testing.progress.Progress` hears them."""

    def step(self, text: str) -> None:
        self.append(text)

    def tick(self, text: str) -> None:
        pass

    @property
    def text(self) -> str:
        return "\n".join(self)


@pytest.fixture
def journal() -> Journal:
    return Journal()


class Site:
    """A web server over `folder` that remembers what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        site = self

        class Handler(SimpleHTTPRequestHandler):
            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                site.asked.append(f"{self.path} {getattr(code, 'value', code)}")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    opened = Site(folder)
    yield opened
    opened.close()
