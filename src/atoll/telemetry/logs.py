"""Structured logs: one event a line, with the cluster and key that it is about.

Whoever enters a cluster's or a key's scope binds it (`structlog.contextvars.bound_contextvars(cluster=...)`); every log
line of that task, and of the tasks that it starts, then carries it.
"""

import logging
import sys
from json import dumps
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import Processor


def set_up_logging(level: str = "info", *, json: bool | None = None, stream: TextIO | None = None) -> None:
    """Log from `level` on to `stream` (standard error): as JSON lines, or for people when it is a terminal.

    The standard library's loggers, which dependencies use, go the same way, from warnings on. Raises ValueError for an
    unknown level.
    """
    out = stream or sys.stderr
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"{level!r} is no log level, such as debug, info, warning or error")
    as_json = not out.isatty() if json is None else json
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    ending = _endings(as_json=as_json)
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,  # tests and commands set it up again
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


def _endings(*, as_json: bool) -> list[Processor]:
    if as_json:
        return [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_as_json),
        ]
    return [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]


def _as_json(line: Any, **_: Any) -> str:
    """Whatever JSON doesn't know is logged as its text: errors, ids, enumerations."""
    try:
        return msgspec.json.encode(line, enc_hook=str).decode()
    except (TypeError, ValueError, RecursionError):  # keys that are no text, half of a surrogate pair
        return dumps(line, default=str, skipkeys=True)
