"""Requests carry the credential of the moment: rotated files are read again, plugins run when they must."""

import asyncio
import datetime as dt
import os
import sys
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from atoll.kube.config import Config, ExecPlugin, Impersonation
from atoll.kube.credentials import credentials_for
from atoll.kube.errors import CredentialError, Unauthorized
from tests.spec.kube.conftest import Authority, Connect, Serve, answer, failure

V1 = "client.authentication.k8s.io/v1"


async def fine(request: web.BaseRequest) -> web.StreamResponse:
    return answer({"you": request.headers.get("Authorization", "")})


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (Config(server=""), ""),
        (Config(server="", token="t"), "Bearer t"),
        (Config(server="", username="u", password="p:w"), "Basic dTpwOnc="),
    ],
)
async def test_what_does_not_change(config: Config, expected: str) -> None:
    assert (await credentials_for(config).current()).authorization == expected


async def test_a_token_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """As the kubelet rotates it: another file under the same name."""
    path = tmp_path / "token"
    path.write_text("one\n")
    credentials = credentials_for(Config(server="", token_file=str(path), token="unused"))
    assert (await credentials.current()).authorization == "Bearer one"
    (tmp_path / "new").write_text("two\n")
    (tmp_path / "new").replace(path)
    assert (await credentials.current()).authorization == "Bearer two"
    path.unlink()
    assert (await credentials.current()).authorization == "Bearer two"  # between two files


@pytest.mark.parametrize("content", [None, b"", b" \n", b"two\nlines", b"\xff"])
async def test_a_token_file_without_a_token(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CredentialError, match="token file"):
        await credentials_for(Config(server="", token_file=str(path))).current()


class Plugin:
    """A plugin that prints what its file says, and notes its runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "plugin"
        self.program.write_text(
            f"#!{sys.executable}\n"
            "import os, sys, pathlib\n"
            "here = pathlib.Path(__file__).parent\n"
            "with open(here / 'runs', 'a') as runs: runs.write(os.environ['KUBERNETES_EXEC_INFO'] + '\\n')\n"
            "sys.stdout.write((here / os.environ.get('ANSWER', 'answer')).read_text())\n"
        )
        self.program.chmod(0o700)

    def say(self, **status: object) -> None:
        answer = {"kind": "ExecCredential", "apiVersion": V1, "status": status}
        (self.folder / "answer").write_bytes(msgspec.json.encode(answer))

    @property
    def runs(self) -> list[dict[str, object]]:
        path = self.folder / "runs"
        return [msgspec.json.decode(line) for line in path.read_text().splitlines()] if path.exists() else []

    def spec(self, **fields: object) -> ExecPlugin:
        return ExecPlugin(**{"command": str(self.program), **fields})  # type: ignore[arg-type]


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    return Plugin(tmp_path)


async def test_a_plugins_answer_is_kept_until_it_expires(plugin: Plugin) -> None:
    credentials = credentials_for(Config(server="", exec=plugin.spec()))
    now = dt.datetime.now(dt.UTC)
    plugin.say(token="old", expirationTimestamp=(now - dt.timedelta(seconds=1)).isoformat())
    assert (await credentials.current()).authorization == "Bearer old"
    plugin.say(token="new", expirationTimestamp=(now + dt.timedelta(hours=1)).isoformat())
    found = await asyncio.gather(*(credentials.current() for _ in range(5)))
    assert {credential.authorization for credential in found} == {"Bearer new"}
    assert len(plugin.runs) == 2


async def test_a_plugins_answer_whose_end_has_no_time_zone_is_none(plugin: Plugin) -> None:
    """As client-go: what can't be compared with now is no time. It was taken, and each request after it failed."""
    plugin.say(token="t", expirationTimestamp="2030-01-01T00:00:00")
    with pytest.raises(CredentialError, match="no ExecCredential"):
        await credentials_for(Config(server="", exec=plugin.spec())).current()


async def test_a_plugins_certificate_is_used(
    plugin: Plugin, serve: Serve, connect: Connect, authority: Authority
) -> None:
    """And another one, after it has expired, on a connection of its own."""
    names: list[str] = []

    async def who(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        peer = request.transport.get_extra_info("peercert")
        names.append(peer["subject"][0][0][1])
        return answer({})

    served = await serve(who, authority.server(ask_clients=True))
    client = await connect(Config(server=served.url, ca=authority.pem, exec=plugin.spec()))
    expired = (dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)).isoformat()
    for name in ("one", "two"):
        certificate, key = authority.issue(name)
        pair = {"clientCertificateData": certificate.decode(), "clientKeyData": key.decode()}
        plugin.say(expirationTimestamp=expired, **pair)
        await client.request("GET", "/x")
    assert names == ["one", "two"]


async def test_a_plugin_is_told_what_the_protocol_says(plugin: Plugin) -> None:
    plugin.say(token="t")
    spec = plugin.spec(provide_cluster_info=True, cluster_config={"audience": "x"}, env=(("ANSWER", "answer"),))
    await credentials_for(Config(server="https://a", ca=b"pem", tls_server_name="kube", exec=spec)).current()
    assert plugin.runs == [
        {
            "apiVersion": V1,
            "kind": "ExecCredential",
            "spec": {
                "interactive": False,
                "cluster": {
                    "server": "https://a",
                    "certificate-authority-data": "cGVt",
                    "tls-server-name": "kube",
                    "config": {"audience": "x"},
                },
            },
        }
    ]


async def test_a_relative_command_is_beside_the_kubeconfig(plugin: Plugin) -> None:
    plugin.say(token="t")
    spec = ExecPlugin(command="./plugin", directory=str(plugin.folder))
    assert (await credentials_for(Config(server="", exec=spec)).current()).authorization == "Bearer t"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo expired session >&2; exit 3", ["exit code 3", "expired session"]),
        ("echo hello", ["no ExecCredential"]),
        ('echo \'{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1"}\'', ["v1beta1", V1]),
        (f'echo \'{{"kind":"ExecCredential","apiVersion":"{V1}","status":{{}}}}\'', ["neither a token nor"]),
    ],
)
async def test_a_plugin_that_fails_is_quoted(script: str, words: list[str]) -> None:
    spec = ExecPlugin(command="sh", args=("-c", script))
    with pytest.raises(CredentialError) as caught:
        await credentials_for(Config(server="", exec=spec)).current()
    assert all(word in str(caught.value) for word in [*words, "'sh'"])


async def test_a_missing_plugin_gives_its_hint() -> None:
    spec = ExecPlugin(command="no-such-plugin", install_hint="install it from here")
    with pytest.raises(CredentialError, match="No such file or directory; install it from here"):
        await credentials_for(Config(server="", exec=spec)).current()


async def test_a_plugin_dies_with_the_request(tmp_path: Path) -> None:
    spec = ExecPlugin(command="sh", args=("-c", f"echo $$ > {tmp_path}/pid; exec sleep 60"))
    task = asyncio.create_task(credentials_for(Config(server="", exec=spec)).current())
    while not list(tmp_path.glob("pid")) or not (tmp_path / "pid").read_text():  # noqa: ASYNC110  another process
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_a_refused_credential_is_renewed_once(plugin: Plugin, serve: Serve, connect: Connect) -> None:
    async def picky(request: web.BaseRequest) -> web.StreamResponse:
        if request.headers["Authorization"] != "Bearer two":
            plugin.say(token="two")
            return failure(401, "Unauthorized")
        return answer({"ok": True})

    plugin.say(token="one")
    served = await serve(picky)
    client = await connect(Config(server=served.url, exec=plugin.spec()))
    assert await client.request("GET", "/x") == {"ok": True}
    assert len(plugin.runs) == 2


async def test_a_plugin_whose_credential_stays_refused_does_not_run_for_ever(
    plugin: Plugin, serve: Serve, connect: Connect
) -> None:
    async def closed(_: web.BaseRequest) -> web.StreamResponse:
        return failure(401, "Unauthorized")

    plugin.say(token="one")
    served = await serve(closed)
    client = await connect(Config(server=served.url, exec=plugin.spec()))
    with pytest.raises(Unauthorized):
        await client.request("GET", "/x")
    assert len(plugin.runs) == 2
    assert len(served.requests) == 1


async def test_impersonation_headers(serve: Serve, connect: Connect) -> None:
    served = await serve(fine)
    who = Impersonation("jane", "7", ("dev", "ops"), (("scope", ("a", "b")),))
    client = await connect(Config(server=served.url, token="t", impersonate=who))
    await client.request("GET", "/x")
    headers = served.requests[0].headers
    assert (headers["Impersonate-User"], headers["Impersonate-Uid"]) == ("jane", "7")
    assert headers.getall("Impersonate-Group") == ["dev", "ops"]
    assert headers.getall("Impersonate-Extra-scope") == ["a", "b"]


def test_repr_shows_no_secrets(plugin: Plugin) -> None:
    spec = plugin.spec(env=(("KEY", "s3cret"),), args=("--password=s3cret",))
    assert "s3cret" not in repr(Config(server="", exec=spec)) + repr(spec)
