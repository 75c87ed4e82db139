"""The command line as a whole: options, which hub, how it ends."""

import asyncio
import io
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from atoll.cli.exits import CommandError, ExitCode, UsageError
from atoll.cli.kubectl import as_shells_say, theirs
from atoll.cli.main import main, program_name
from atoll.cli.options import key_values, split_list, taint
from atoll.cli.reference import main as write_reference
from atoll.cli.session import Options, Session, kubeconfig_path, parse_duration, perform

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts:
- {name: one, context: {cluster: c, user: u, namespace: of-the-context}}
- {name: two, context: {cluster: c, user: u}}
current-context: one
"""


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("KUBECONFIG", "ATOLL_KUBECONFIG", "ATOLL_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    path = tmp_path / "config.yaml"
    path.write_text(KUBECONFIG)
    return path


def test_the_flag_goes_before_the_environment_and_that_before_a_fleet(
    kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kubeconfig_path(None) is None
    own = tmp_path / "home" / ".local" / "share" / "atoll" / "kubeconfig"
    own.parent.mkdir(parents=True)
    own.write_text(KUBECONFIG)
    assert kubeconfig_path(None) == own
    monkeypatch.setenv("KUBECONFIG", "/elsewhere")
    assert kubeconfig_path(None) is None  # $KUBECONFIG was set on purpose
    monkeypatch.setenv("ATOLL_HOME", str(own.parent))
    assert kubeconfig_path(None) == own  # and so was $ATOLL_HOME, which says more
    monkeypatch.setenv("ATOLL_KUBECONFIG", "/mine")
    assert kubeconfig_path(None) == Path("/mine")
    assert kubeconfig_path(str(kubeconfig)) == kubeconfig


def test_the_namespace_is_the_flags_else_the_contexts_else_default(kubeconfig: Path) -> None:
    assert Session(Options(str(kubeconfig), namespace="flag")).namespace == "flag"
    assert Session(Options(str(kubeconfig))).namespace == "of-the-context"
    assert Session(Options(str(kubeconfig), context="two")).namespace == "default"


def test_what_stands_after_the_verb_goes_before_what_stands_ahead() -> None:
    outer = Options("k", "outer", "ns", "1s", 1)
    assert Options(context="inner").over(outer) == Options("k", "inner", "ns", "1s", 1)


def test_without_any_kubeconfig_the_way_to_a_fleet_is_told(
    kubeconfig: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert main(["app", "list"]) == 1
    assert "atoll up" in capsys.readouterr().err


def test_a_context_is_never_taken_for_the_pods_own_cluster(
    kubeconfig: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    assert main(["--context", "production", "uninstall", "--force"]) == 1
    assert "there is no context production" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["app", "list", "-n", "demo"], ["-n", "demo", "app", "list"]])
def test_options_of_every_command_stand_on_either_side(
    kubeconfig: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(["--kubeconfig", str(kubeconfig), "--request-timeout", "2s", *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert "127.0.0.1" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["app", "lst"], "Did you mean 'list'?"),
        (["app", "list", "--no-such"], "No such option: --no-such"),
        (["app", "describe"], "Missing argument"),
        (["cluster", "join", "x"], "Missing option '--kubeconfig'"),
        (["app", "render"], "render what?"),
        (["app", "create", "x", "--image", "y"], "where is it to run?"),
        (["app", "list", "-o", "xml"], "no such output: 'xml'"),
        (["cluster", "join", "x", "--kubeconfig", "f", "--rights", "root"], "rights are `admin` or"),
        (["cluster", "leave", "x", "--force", "--delete-objects"], "give one of the two"),
        (["app", "create", "x", "--image", "", "--all-clusters"], "--image is empty"),
        (["app", "history", "x", "-o", "json"], "-o goes with --revision"),
        (["install", "--agents-host", "", "--dry-run", "client"], "--agents-host is empty"),
        (["install", "--kubefed", "--kubefed-namespace", "", "--dry-run", "client"], "--kubefed-namespace is empty"),
        (["app", "preview", "x", "--delete", "-c", "eu"], "does not go with --cluster"),
        (["hub", "--metrics-address", "9090"], "--metrics-address: '9090' is not HOST:PORT"),
        (["hub", "--webhook-address", "127.0.0.1:99999"], "--webhook-address: '127.0.0.1:99999' is not HOST:PORT"),
        (["hub", "--agents-address", "hub"], "--agents-address: 'hub' is not HOST:PORT"),
        (["agent", "run", "--cluster", "c", "--health-address", "x"], "--health-address: 'x' is not HOST:PORT"),
        (["app", "logs", "x", "--tail", "-1"], "--tail"),
        (["app", "deploy", "-f", "x", "--dry-run", "maybe"], "--dry-run"),
    ],
)
def test_wrong_usage_ends_with_2_and_one_line(
    kubeconfig: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.setenv("ATOLL_KUBECONFIG", str(kubeconfig))
    assert main(arguments) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""
    assert err.startswith("error: ")


def test_an_error_is_one_line_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> None:
        raise CommandError("it \x1b[31mfailed", "do this")

    assert perform(work()) == ExitCode.ERROR
    assert capsys.readouterr().err == "error: it failed\nhint: do this\n"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "/root/x"), "error: /root/x: Permission denied\n"),
        (OSError(98, "address already in use"), "error: address already in use\n"),
        (msgspec.ValidationError("Invalid enum value 'x' - at `$.spec`"), "error: an object of the server can't be "),
    ],
)
def test_what_goes_wrong_around_it_is_no_traceback(
    error: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def work() -> None:
        raise error

    assert perform(work()) == ExitCode.ERROR
    assert capsys.readouterr().err.startswith(said)


def test_standard_input_that_is_no_text_is_said(
    kubeconfig: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for errors in ("strict", "surrogateescape"):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), "utf-8", errors))
        assert main(["app", "deploy", "-f", "-", "--name", "x", "--all-clusters"]) == 1
        assert capsys.readouterr().err.startswith("error: standard input: not text: ")


APPLICATION = "apiVersion: atoll.dev/v1alpha1\nkind: Application\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("metadata: web", "Application: metadata is no mapping"),
        ("metadata: [web]", "Application: metadata is no mapping"),
        ("metadata: {name: 5}", "metadata.name is no text: put 5 in quotes"),
        ("metadata: {name: web, namespace: 5}", "metadata.namespace is no text: put 5 in quotes"),
        ("spec: {}", "an Application has no metadata.name"),
    ],
)
@pytest.mark.parametrize("verb", ["deploy", "render"])
def test_a_file_whose_object_cannot_be_known_is_named(
    kubeconfig: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str, verb: str
) -> None:
    file = tmp_path / "app.yaml"
    file.write_text(APPLICATION + text)
    assert main(["--kubeconfig", str(kubeconfig), "app", verb, "-f", str(file)]) == 1
    assert said in capsys.readouterr().err


def test_a_terminal_without_the_characters_is_shown_their_codes() -> None:
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, "-m", "atoll", "cluster", "cordon", "--help"]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert b"NAME\\u2026" in done.stdout


def test_who_stops_reading_is_no_error(capfd: pytest.CaptureFixture[str]) -> None:
    async def work() -> None:
        async with asyncio.TaskGroup():
            raise BrokenPipeError(32, "Broken pipe")

    assert perform(work()) == ExitCode.OK
    assert capfd.readouterr().err == ""


def test_who_types_is_heard_when_he_interrupts(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Keyboard:
        def read(self) -> str:
            signal.raise_signal(signal.SIGINT)
            raise AssertionError("nobody types any more")

    monkeypatch.setattr("sys.stdin", Keyboard())
    assert main(["app", "deploy", "-f", "-", "--name", "x", "--all-clusters"]) == ExitCode.INTERRUPTED


def test_interrupted_ends_with_130() -> None:
    async def work() -> None:
        raise KeyboardInterrupt

    assert perform(work()) == ExitCode.INTERRUPTED


def test_a_command_may_say_that_it_was_done_in_part() -> None:
    async def work() -> ExitCode:
        return ExitCode.PARTIAL

    assert perform(work()) == 3


def test_kubectl_calls_it_by_its_own_name() -> None:
    assert program_name("/usr/local/bin/kubectl-atoll") == "kubectl atoll"
    assert program_name("/usr/bin/atoll") == "atoll"


def test_usage_names_the_program_as_it_was_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["app", "list", "--help"], "kubectl atoll") == 0
    assert capsys.readouterr().out.startswith("Usage: kubectl atoll app list")


def test_help_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["app"], ["cluster"], ["app", "deploy"]):
        main([*arguments, "--help"])
        assert max(map(len, capsys.readouterr().out.splitlines())) <= 100


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from atoll.cli.main import main; main(['--help']);"
        "print([m for m in ('aiohttp', 'rich', 'cryptography', 'cel', 'structlog', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_is_quick() -> None:
    def spent(*arguments: str) -> float:
        """Seconds of a processor: what else runs on the machine doesn't count."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    pairs = [(spent("-m", "atoll", "--help"), spent("-c", "import typer")) for _ in range(3)]  # machines differ
    assert min(help_ for help_, _ in pairs) < 4 * min(bare for _, bare in pairs)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30), ("30s", 30), ("1m30s", 90), ("500ms", 0.5), ("1h", 3600), ("2d", 172800)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "5x", "-5s", "1m 30s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="not a duration"):
        parse_duration(text)


def test_lists_and_pairs_may_be_repeated_or_hold_commas() -> None:
    assert split_list(["a,b", " c ", "", "a"]) == ["a", "b", "c"]
    assert key_values(["a=1,b=", "c=x=y"], "--labels") == {"a": "1", "b": "", "c": "x=y"}
    with pytest.raises(UsageError, match="--labels: 'a' is not KEY=VALUE"):
        key_values(["a"], "--labels")


def test_a_folder_with_other_things_is_made_no_fleets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.tex").touch()
    assert main(["up", "--state-dir", str(tmp_path)]) == ExitCode.USAGE  # `down --purge` would remove it whole
    assert "is no fleet's folder, and not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_what_is_kubectls_may_follow_two_dashes() -> None:
    assert theirs(["--", "exec", "web", "--", "ls"]) == ["exec", "web", "--", "ls"]
    assert theirs(["exec", "web", "--", "ls"]) == ["exec", "web", "--", "ls"]


def test_a_signals_end_is_an_exit_code() -> None:
    assert [as_shells_say(code) for code in (0, 1, -signal.SIGINT, -signal.SIGTERM)] == [0, 1, 130, 143]


def test_taints_are_written_as_for_kubectl() -> None:
    assert (taint("k=v:NoExecute").key, taint("k=v:NoExecute").value) == ("k", "v")
    assert taint("k:NoSchedule").value == ""
    for wrong in ("k=v", "k=v:Never", ":"):
        with pytest.raises(UsageError):
            taint(wrong)


def test_the_reference_is_fresh() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"
    assert write_reference(["--check", str(page)]) == 0
