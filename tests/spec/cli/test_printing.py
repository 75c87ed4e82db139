"""What commands print: tables, ages, and nothing that a server smuggles in."""

import io
import json

import pytest

from atoll.cli import printing
from atoll.cli.exits import UsageError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\nnext", "plain\ttext\nnext"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;window title\x07after", "after"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("over\rwritten\x08\x7f", "overwritten"),
        ("c1 \x9b31m control", "c1 31m control"),
        ("\u202eesrever\u202c", "esrever"),
        ("naïve café — 日本", "naïve café — 日本"),
        ("\x1b[38;5;1mx\x1bMy", "xy"),
    ],
)
def test_text_of_a_server_cannot_move_the_cursor_or_change_colours(text: str, shown: str) -> None:
    assert printing.clean(text) == shown


def test_a_table_is_as_kubectls() -> None:
    text = printing.table(["NAME", "READY", "AGE"], [["web", "1/1", "5s"], ["a-long-name", "", "3d"]])
    assert text.splitlines() == [
        "NAME          READY    AGE",
        "web           1/1      5s",
        "a-long-name   <none>   3d",
    ]


def test_who_asks_for_wide_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "columns_wide", lambda: 5)
    assert printing.table(["A", "B"], [["long", "longer"]], headers=False, cut=False) == "long   longer"


def test_why_is_told_to_its_end_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    row = ["eu-1", "the image registry.example/shop can't be pulled"]
    monkeypatch.setattr(printing, "columns_wide", lambda: 36)
    assert printing.table(["CLUSTER", "WHY"], [row]).splitlines()[1] == "eu-1      the image registry.exampl…"
    assert printing.table(["CLUSTER", "WHY"], [row], whole=True).splitlines() == [
        "CLUSTER   WHY",
        "eu-1      the image",
        "          registry.example/shop",
        "          can't be pulled",
    ]
    monkeypatch.setattr(printing, "columns_wide", lambda: 30)
    assert printing.table(["CLUSTER", "WHY"], [row], whole=True).splitlines() == [
        "CLUSTER   WHY",
        "eu-1",
        "    the image",
        "    registry.example/shop",
        "    can't be pulled",
    ]


def test_without_titles_the_columns_fit_the_rows() -> None:
    assert printing.table(["A-LONG-TITLE", "B"], [["x", "y"]], headers=False) == "x   y"


def test_a_cell_stays_on_its_line() -> None:
    assert printing.table(["A"], [["one\ntwo\x1b[2J"]]).splitlines() == ["A", "one two"]


def test_zero_is_not_nothing() -> None:
    assert printing.table(["A", "B"], [[0, "x"]], headers=False) == "0   x"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (150, "2m30s"),
        (600, "10m"),
        (10799, "179m"),
        (10800, "3h"),
        (19000, "5h16m"),
        (8 * 3600, "8h"),
        (47 * 3600, "47h"),
        (48 * 3600, "2d"),
        (50 * 3600, "2d2h"),
        (8 * 86400, "8d"),
        (729 * 86400, "729d"),
        (740 * 86400, "2y10d"),
    ],
)
def test_a_duration_has_two_units_only_while_it_is_short(seconds: int, text: str) -> None:
    assert printing.duration(seconds) == text


def test_an_age_is_counted_from_a_timestamp() -> None:
    assert printing.age("1970-01-01T00:01:00Z", now=105.0) == "45s"
    assert printing.age("1970-01-01T00:01:00Z", now=0.0) == "0s"  # its clock is ahead of ours
    assert printing.age("") == "<unknown>"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert printing.paint("Healthy", Terminal()) == "\x1b[32mHealthy\x1b[0m"
    assert printing.paint("Degraded", Terminal()) == "\x1b[31mDegraded\x1b[0m"
    assert printing.paint("other", Terminal()) == "other"
    assert printing.paint("Healthy", io.StringIO()) == "Healthy"
    monkeypatch.setenv("NO_COLOR", "1")
    assert printing.paint("Healthy", Terminal()) == "Healthy"


OBJECTS = [{"apiVersion": "atoll.dev/v1alpha1", "kind": "Application", "metadata": {"name": n}} for n in ("a", "b")]


def test_machines_get_json_yaml_names_and_paths(capsys: pytest.CaptureFixture[str]) -> None:
    printing.emit(OBJECTS, "json")
    assert json.loads(capsys.readouterr().out) == {"apiVersion": "v1", "kind": "List", "items": OBJECTS}
    printing.emit(OBJECTS[:1], "json", single=True)
    assert json.loads(capsys.readouterr().out) == OBJECTS[0]
    printing.emit(OBJECTS, "name")
    assert capsys.readouterr().out == "application.atoll.dev/a\napplication.atoll.dev/b\n"
    printing.emit(OBJECTS, "jsonpath={.items[*].metadata.name}")
    assert capsys.readouterr().out == "a b"
    printing.emit(OBJECTS[:1], "yaml", single=True)
    assert "kind: Application\n" in capsys.readouterr().out


@pytest.mark.parametrize("output", ["xml", "jsonpath", "json=x", "Wide"])
def test_an_unknown_output_is_wrong_usage(output: str) -> None:
    with pytest.raises(UsageError, match="no such output"):
        printing.check_output(output)
