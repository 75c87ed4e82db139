"""Kubeconfigs are read as kubectl reads them; what is wrong is named with file, context, field, and what to do."""

import base64
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from atoll.api.yamltext import read
from atoll.kube.config import Config, Impersonation, in_cluster, load_kubeconfig
from atoll.kube.errors import ConfigError

PEM = b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
DATA = base64.b64encode(PEM).decode()


def kubeconfig(cluster: object = None, user: object = None, **top: object) -> bytes:
    """One context `c`, of cluster `k` and user `u`."""
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "k", "cluster": {"server": "https://10.0.0.1:6443"} if cluster is None else cluster}],
        "users": [{"name": "u", "user": {"token": "t"} if user is None else user}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
    }
    return msgspec.json.encode(document | top)


def test_inline_data() -> None:
    config = load_kubeconfig(
        kubeconfig(
            {
                "server": "https://10.0.0.1:6443/base/",
                "certificate-authority-data": DATA,
                "tls-server-name": "kube",
                "proxy-url": "http://proxy:3128",
                "disable-compression": True,
            },
            {"client-certificate-data": DATA, "client-key-data": DATA},
            contexts=[{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "demo"}}],
        )
    )
    assert config == Config(
        server="https://10.0.0.1:6443/base",
        ca=PEM,
        tls_server_name="kube",
        proxy_url="http://proxy:3128",
        compression=False,
        client_certificate=PEM,
        client_key=PEM,
        namespace="demo",
        context="c",
        source="kubeconfig",
    )
    assert config.auth == "certificate"


def test_files_are_found_beside_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "ca.pem").write_bytes(PEM)
    path = tmp_path / "config"
    path.write_bytes(
        kubeconfig(
            {"server": "https://10.0.0.1", "certificate-authority": "pki/ca.pem"},
            {"client-certificate": "pki/ca.pem", "client-key": str(tmp_path / "pki" / "ca.pem"), "tokenFile": "token"},
        )
    )
    config = load_kubeconfig(path)
    assert (config.ca, config.client_certificate, config.client_key) == (PEM, PEM, PEM)
    assert config.token_file == str(tmp_path / "token")


def test_impersonation() -> None:
    user = {"token": "t", "as": "jane", "as-uid": "1", "as-groups": ["dev", "ops"], "as-user-extra": {"scope": ["a"]}}
    assert load_kubeconfig(kubeconfig(user=user)).impersonate == Impersonation(
        "jane", "1", ("dev", "ops"), (("scope", ("a",)),)
    )


def test_exec(tmp_path: Path) -> None:
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "./login",
        "args": ["--cluster", "k"],
        "env": [{"name": "PROFILE", "value": "prod"}],
        "interactiveMode": "IfAvailable",
        "provideClusterInfo": True,
    }
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}
    path = tmp_path / "config"
    path.write_bytes(kubeconfig({"server": "https://10.0.0.1", "extensions": [extension]}, {"exec": plugin}))
    config = load_kubeconfig(path)
    assert config.exec is not None
    assert (config.exec.command, config.exec.directory) == ("./login", str(tmp_path))
    assert config.exec.env == (("PROFILE", "prod"),)
    assert config.exec.cluster_config == {"audience": "x"}


def test_the_first_file_of_the_list_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As kubectl merges $KUBECONFIG; files that don't exist are left out."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(
        kubeconfig({"server": "https://first"}, contexts=[], users=[], **{"current-context": ""}),
    )
    second.write_bytes(kubeconfig({"server": "https://second"}))
    monkeypatch.setenv("KUBECONFIG", f"{first}:{tmp_path / 'missing'}:{second}")
    config = load_kubeconfig()
    assert (config.server, config.token, config.context, config.source) == ("https://first", "t", "c", str(second))


def test_without_a_list_the_home_folder_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="no kubeconfig found"):
        load_kubeconfig()
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_bytes(kubeconfig())
    assert load_kubeconfig().token == "t"


def test_one_context_needs_no_choice() -> None:
    assert load_kubeconfig(kubeconfig(**{"current-context": ""})).context == "c"


def test_a_user_is_not_needed() -> None:
    config = load_kubeconfig(kubeconfig(contexts=[{"name": "c", "context": {"cluster": "k"}}]))
    assert config.auth == "none"


ODD = {"unchecked": [["name"]]}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"", ["kubeconfig: empty"]),
        (b"a: [", ["kubeconfig: not YAML", "line"]),
        (b"\xff\xfe", ["not text", "byte 0"]),
        (b"- a", ["a mapping is expected, this is a list"]),
        (b"kind: Secret", ["kind is 'Secret'", "expected Config"]),
        (kubeconfig(**{"current-context": 3}), ["current-context: a string", "number"]),
        (kubeconfig(**{"current-context": "x"}), ["current-context 'x' does not exist", "the contexts are: c"]),
        (kubeconfig(contexts=[]), ["current-context 'c' does not exist", "none"]),
        (kubeconfig(contexts={}), ["contexts: a list is expected, this is a mapping"]),
        (kubeconfig(clusters=["k"]), ["clusters[0]: a mapping with name and cluster", "string"]),
        (kubeconfig(users=[{"user": {}}]), ["users[0].name: missing"]),
        (kubeconfig(users=[{"name": "u", "user": 1}]), ["users[0].user: a mapping is expected, this is a number"]),
        (kubeconfig(clusters=[]), ["context 'c': contexts[c].context.cluster: there is no cluster 'k'", "none"]),
        (kubeconfig(users=[]), ["context 'c'", "there is no user 'u'"]),
        (kubeconfig(contexts=[{"name": "c"}]), ["contexts[c].context.cluster: missing", "k"]),
        (kubeconfig({}), ["context 'c': clusters[k].cluster.server: missing", "https://"]),
        (kubeconfig({"server": 1}), ["clusters[k].cluster.server: a string is expected"]),
        (kubeconfig({"server": "10.0.0.1:6443"}), ["cluster.server: '10.0.0.1:6443' cannot be used"]),
        (kubeconfig({"server": "https://a:99999"}), ["cluster.server", "cannot be used"]),
        (kubeconfig({"server": "https://a b"}), ["cluster.server", "cannot be used"]),
        (kubeconfig({"server": "https://"}), ["cluster.server", "cannot be used"]),
        (kubeconfig({"server": "https://u:p@a"}), ["cluster.server: holds a name or a password"]),
        (
            kubeconfig({"server": "https://a", "extensions": [{"name": "atoll.dev/tls", "extension": ODD}]}),
            ["cluster.extensions: atoll.dev/tls: unchecked may hold dates, name"],
        ),
        (kubeconfig({"server": "https://a", "proxy-url": "socks4://u:secret@p"}), ["proxy-url: 'p' cannot be used"]),
        (kubeconfig({"server": "https://a", "certificate-authority-data": "?"}), ["authority-data: is not base64"]),
        (kubeconfig({"server": "https://a", "certificate-authority-data": "AAAA"}), ["does not hold PEM"]),
        (
            kubeconfig({"server": "https://a", "certificate-authority": "/no"}),
            ["authority: /no cannot be read: No such"],
        ),
        (
            kubeconfig({"server": "https://a", "certificate-authority-data": DATA, "insecure-skip-tls-verify": True}),
            ["insecure-skip-tls-verify: stands beside a certificate authority"],
        ),
        (kubeconfig({"server": "https://a", "insecure-skip-tls-verify": "yes"}), ["true or false is expected"]),
        (kubeconfig(user={"client-certificate-data": DATA}), ["users[u].user.client-key: missing"]),
        (kubeconfig(user={"client-key-data": DATA}), ["users[u].user.client-certificate: missing"]),
        (kubeconfig(user={"token": "a\nb"}), ["users[u].user.token", "characters"]),
        (kubeconfig(user={"token": ["x"]}), ["users[u].user.token: a string is expected, this is a list"]),
        (kubeconfig(user={"auth-provider": {"name": "gcp"}}), ["auth-provider: is not supported", "use exec"]),
        (kubeconfig(user={"exec": "x"}), ["user.exec: a mapping is expected"]),
        (kubeconfig(user={"exec": {"apiVersion": "v1"}}), ["exec.command: missing"]),
        (kubeconfig(user={"exec": {"command": "x", "apiVersion": "v0"}}), ["exec.apiVersion: 'v0' is not supported"]),
        (
            kubeconfig(
                user={
                    "exec": {
                        "command": "x",
                        "apiVersion": "client.authentication.k8s.io/v1",
                        "interactiveMode": "Always",
                    }
                }
            ),
            ["exec.interactiveMode: is Always"],
        ),
        (
            kubeconfig(user={"exec": {"command": "x", "apiVersion": "client.authentication.k8s.io/v1", "args": "-v"}}),
            ["exec.args: a list of strings"],
        ),
        (
            kubeconfig(user={"exec": {"command": "x", "apiVersion": "client.authentication.k8s.io/v1", "env": ["a"]}}),
            ["exec.env: a list of mappings"],
        ),
        (kubeconfig(user={"as": "j", "as-groups": "dev"}), ["as-groups: a list of strings"]),
        (kubeconfig(user={"as": "j", "as-user-extra": {"k": "v"}}), ["as-user-extra.k: a list of strings"]),
    ],
)
def test_what_is_wrong_is_named(document: bytes, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_kubeconfig(document)
    for word in words:
        assert word in str(caught.value)
    assert "secret" not in str(caught.value)


def test_extensions_of_no_form_are_none() -> None:
    assert load_kubeconfig(kubeconfig({"server": "https://a", "extensions": 5})).unchecked == ()


def test_messages_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "broken"
    path.write_bytes(kubeconfig({}))
    with pytest.raises(ConfigError, match=r"broken: context 'c': clusters\[k\]"):
        load_kubeconfig(path)
    with pytest.raises(ConfigError, match="missing: cannot be read: No such file"):
        load_kubeconfig(tmp_path / "missing")


FIELDS = (
    *("clusters", "users", "contexts", "current-context", "name", "cluster", "user", "context", "namespace"),
    *("server", "certificate-authority-data", "extensions", "token", "tokenFile", "as", "as-groups", "as-user-extra"),
    *("exec", "apiVersion", "command", "args", "env"),
)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(FIELDS),
                inner,
                max_size=6,
            )
        ),
        max_leaves=30,
    )
)
def test_nothing_but_a_config_error_comes_of_nonsense(document: object) -> None:
    data = msgspec.json.encode(document)
    for text in (data, kubeconfig(document), kubeconfig(user=document)):
        try:
            load_kubeconfig(text)
        except ConfigError:
            continue


@pytest.mark.parametrize(
    ("cluster", "user", "field"),
    [
        (None, {"exec": {"command": "x", "apiVersion": "client.authentication.k8s.io/v1"}}, "users[u].user.exec"),
        (None, {"auth-provider": {"name": "oidc"}}, "users[u].user.auth-provider"),
        (None, {"tokenFile": "/etc/token"}, "users[u].user.tokenFile"),
        (None, {"client-certificate": "/c", "client-key-data": DATA}, "users[u].user.client-certificate"),
        (None, {"client-certificate-data": DATA, "client-key": "/k"}, "users[u].user.client-key"),
        ({"server": "https://a", "certificate-authority": "/ca"}, None, "clusters[k].cluster.certificate-authority"),
    ],
)
def test_a_strangers_kubeconfig_runs_nothing_and_reads_no_file(cluster: object, user: object, field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_kubeconfig(kubeconfig(cluster, user), allow_exec=False, allow_files=False)
    assert f"{field}: " in str(caught.value)


def test_inline_data_is_allowed_to_strangers() -> None:
    cluster = {"server": "https://a", "certificate-authority-data": DATA}
    user = {"client-certificate-data": DATA, "client-key-data": DATA, "token": "t"}
    assert load_kubeconfig(kubeconfig(cluster, user), allow_exec=False, allow_files=False).token == "t"


FULL = Config(
    server="https://10.0.0.1:6443",
    ca=PEM,
    tls_server_name="kube",
    proxy_url="http://proxy:3128",
    client_certificate=PEM,
    client_key=PEM,
    token="0777",
    impersonate=Impersonation("yes", "1", ("on",), (("scope", ("1e3",)),)),
    namespace="no",
    context="0x1F",
    source="kubeconfig",
)


@pytest.mark.parametrize(
    "config",
    [
        FULL,
        Config(server="https://a", insecure=True, username="admin", password="true", context="c", source="kubeconfig"),
        Config(server="http://a", context="null", source="kubeconfig", compression=False),
    ],
)
def test_a_config_comes_back_from_its_kubeconfig(config: Config) -> None:
    """Also through readers of YAML 1.1, for which a bare `yes` or `0777` is no string."""
    text = config.to_kubeconfig()
    assert load_kubeconfig(text) == config
    assert read(text.decode()) == [yaml.safe_load(text)]


def test_the_context_may_be_named() -> None:
    document = read(FULL.to_kubeconfig("eu-1").decode())[0]
    assert document["current-context"] == "eu-1"
    assert document["contexts"][0]["context"] == {"cluster": "eu-1", "user": "eu-1", "namespace": "no"}


def test_repr_shows_no_secrets() -> None:
    config = Config(server="https://a", token="s3cret", password="s3cret", client_key=b"s3cret")
    assert "s3cret" not in repr(config)


def test_in_a_pod(tmp_path: Path) -> None:
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(ConfigError, match="not in a cluster"):
        in_cluster(tmp_path, {})
    with pytest.raises(ConfigError, match="no service account token"):
        in_cluster(tmp_path, environment)
    for name, text in (("ca.crt", PEM), ("token", b"t"), ("namespace", b"demo\n")):
        (tmp_path / name).write_bytes(text)
    config = in_cluster(tmp_path, environment)
    assert (config.server, config.ca, config.namespace) == ("https://[fd00::1]:443", PEM, "demo")
    assert config.token_file == str(tmp_path / "token")
