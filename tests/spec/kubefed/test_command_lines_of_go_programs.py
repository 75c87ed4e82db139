"""Scripts call KubeFed's programs as Go programs are called; the same command lines are understood here."""

from datetime import UTC, datetime

import pytest

from atoll.cli.exits import UsageError
from atoll.cli.kubefed.app import as_ours
from atoll.cli.kubefed.goflags import rewritten
from atoll.cli.kubefed.options import FLAGS, VALUED
from atoll.cli.kubefed.speech import log_line


def ours(line: str) -> list[str]:
    return as_ours(line.split())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("join c1 --dry-run=true", "join c1 --dry-run"),
        ("join c1 --dry-run=false", "join c1 --no-dry-run"),
        ("join c1 --error-on-existing=F", "join c1 --no-error-on-existing"),
        ("join c1 --host_cluster_context hub", "join c1 --host-cluster-context hub"),
        ("join c1 --host-cluster-context=hub", "join c1 --host-cluster-context hub"),
        ("join c1 --v=2", "join c1 --v 2"),
        ("join c1 -v=2", "join c1 -v 2"),
        ("-v 2 --dry-run join c1", "join -v 2 --dry-run c1"),
        ("--kubeconfig=/x join c1", "join --kubeconfig /x c1"),
        ("--kubeconfig=/x orphaning-deletion -n=a enable t o", "orphaning-deletion enable --kubeconfig /x -n a t o"),
        ("-v=2 orphaning-deletion --help", "orphaning-deletion --help -v 2"),
        ("federate cm x -n=demo -c -s a,b", "federate cm x -n demo -c -s a,b"),
        ("federate -f -", "federate -f -"),
        ("join c1 --logtostderr --stderrthreshold=2 --vmodule a=1 --alsologtostderr=false", "join c1"),
        ("join c1 -- --dry-run=true", "join c1 -- --dry-run=true"),
        ("join c1 --unknown=1", "join c1 --unknown=1"),
        ("--help", "--help"),
    ],
)
def test_a_line_is_read_as_go_reads_it(line: str, expected: str) -> None:
    assert ours(line) == expected.split()


def test_an_empty_argument_of_an_unset_variable_is_dropped_unless_it_is_a_value() -> None:
    assert rewritten(["join", "c1", "", "-n", ""], flags=FLAGS, valued=VALUED) == ["join", "c1", "-n", ""]


def test_a_switch_takes_true_or_false_only() -> None:
    with pytest.raises(UsageError, match="neither true nor false"):
        ours("join c1 --dry-run=maybe")


def test_logs_cannot_be_led_elsewhere_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert ours("join c1 --log-dir /tmp") == ["join", "c1"]
    assert "--log-dir is not followed" in capsys.readouterr().err


def test_a_log_line_begins_as_klogs_do() -> None:
    now = datetime(2026, 3, 7, 9, 5, 1, 42, UTC)
    assert log_line("I", "promoted as leader", program="controller-manager", pid=7, now=now) == (
        "I0307 09:05:01.000042       7 controller-manager] promoted as leader"
    )
