"""Log lines are structured, and carry the cluster and key that they are about."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from atoll.api.objects import Key
from atoll.telemetry import set_up_logging


@pytest.fixture(autouse=True)
def _reset() -> Iterator[None]:
    """Leave no set-up behind, nor a stream that is closed."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = before


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


async def test_what_is_bound_goes_with_every_line_of_the_task_and_its_children() -> None:
    stream = io.StringIO()
    set_up_logging(stream=stream)
    log = structlog.get_logger("x")

    async def child() -> None:
        log.info("inside", key=Key("ns", "name"))

    with bound_contextvars(cluster="eu-1"):
        task = asyncio.create_task(child())
    await task
    log.info("outside")
    inside, outside = lines(stream)
    assert (inside["cluster"], inside["key"], inside["level"]) == ("eu-1", ["ns", "name"], "info")
    assert "cluster" not in outside
    assert inside["timestamp"].endswith("Z")


def test_levels() -> None:
    stream = io.StringIO()
    set_up_logging("warning", stream=stream)
    log = structlog.get_logger("x")
    log.info("no")
    log.warning("yes", error=ValueError("text"))
    logging.getLogger("library").warning("theirs")
    logging.getLogger("library").info("quiet")
    assert [(line["event"], line["level"]) for line in lines(stream)] == [("yes", "warning"), ("theirs", "warning")]
    assert lines(stream)[0]["error"] == "text"
    with pytest.raises(ValueError, match="no log level"):
        set_up_logging("loud", stream=stream)


def test_tracebacks_are_in_one_line() -> None:
    stream = io.StringIO()
    set_up_logging(stream=stream)
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        structlog.get_logger("x").exception("broke")
    assert "ZeroDivisionError" in lines(stream)[0]["exception"]


def test_what_json_does_not_know_is_its_text() -> None:
    stream = io.StringIO()
    set_up_logging(stream=stream)
    structlog.get_logger("x").info("odd", error=ValueError("broken \udc80"), number=1, keys={("a", "b"): 1})
    (line,) = lines(stream)
    assert (line["error"], line["number"]) == ("broken \udc80", 1)


def test_people_get_text() -> None:
    stream = io.StringIO()
    set_up_logging(stream=stream, json=False)
    structlog.get_logger("x").info("hello", cluster="eu-1")
    assert "hello" in stream.getvalue()
    assert "cluster=eu-1" in stream.getvalue()
