"""Durations in a KubeFedConfig are Go's (https://pkg.go.dev/time#ParseDuration)."""

import pytest

from atoll.api.kubefed.godurations import nanoseconds, seconds, written


@pytest.mark.parametrize(
    ("text", "amount", "form"),
    [
        ("20s", 20.0, "20s"),
        ("60s", 60.0, "1m0s"),
        ("1.5h", 5400.0, "1h30m0s"),
        ("1h0m0s", 3600.0, "1h0m0s"),
        ("300ms", 0.3, "300ms"),
        ("1m0.5s", 60.5, "1m0.5s"),
        ("1.25ms", 0.00125, "1.25ms"),
        ("10us", 0.00001, "10µs"),
        ("-.5s", -0.5, "-500ms"),
        ("0", 0.0, "0s"),
    ],
)
def test_a_duration_is_read_and_written_as_go_does(text: str, amount: float, form: str) -> None:
    assert seconds(text) == amount
    assert written(nanoseconds(text)) == form


@pytest.mark.parametrize("text", ["", "20", "s", "1d", "1 m", "1m-1s", "1e3s", "999999999h", "."])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        nanoseconds(text)
