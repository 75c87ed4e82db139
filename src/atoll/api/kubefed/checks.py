"""What a field may hold, said as Kubernetes says it: `Required value`, `Invalid value`, `Unsupported value`."""

import json
import re
from collections.abc import Collection, Iterator
from urllib.parse import urlsplit

from atoll.api.issues import Issue
from atoll.api.kubefed import godurations

_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+(%25[A-Za-z0-9._~-]+)?\]|[A-Za-z0-9._~!$&'()*+,;=<>\"-]*|[^\x00-\x7f]+)*")
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]+")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")


def required(path: str) -> Issue:
    return Issue(path, "Required value")


def invalid(path: str, value: object, why: str) -> Issue:
    return Issue(path, f"Invalid value: {_shown(value)}: {why}")


def unsupported(path: str, value: str, known: Collection[str]) -> Issue:
    return Issue(path, f"Unsupported value: {_shown(value)}: supported values: {', '.join(map(_shown, known))}")


def duplicate(path: str, value: object) -> Issue:
    return Issue(path, f"Duplicate value: {_shown(value)}")


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def one_of(path: str, value: str, known: Collection[str]) -> Iterator[Issue]:
    if not value:
        yield required(path)
    elif value not in known:
        yield unsupported(path, value, known)


def label(path: str, value: str, *, shown: str = "") -> Iterator[Issue]:
    """A DNS label that begins with a letter (RFC 1035)."""
    if not value:
        yield required(path)
    elif len(value) > 63 or not _LABEL.fullmatch(value):
        yield invalid(
            path,
            shown or value,
            "must be at most 63 of a-z, 0-9 and '-', must begin with a letter and must not end with '-'",
        )


def domain(path: str, value: str) -> Iterator[Issue]:
    """A DNS subdomain (RFC 1123)."""
    if len(value) > 253 or not _DOMAIN.fullmatch(value):
        yield invalid(
            path, value, "must be at most 253 of a-z, 0-9, '-' and '.', each part beginning and ending with a-z or 0-9"
        )


def duration(path: str, value: str | None) -> Iterator[Issue]:
    """One that is longer than nothing."""
    if value is None:
        yield required(path)
        return
    try:
        amount = godurations.nanoseconds(value)
    except ValueError as error:
        yield invalid(path, value, str(error))
        return
    if amount <= 0:
        yield invalid(path, value, "must be greater than 0")


def count(path: str, value: int | None) -> Iterator[Issue]:
    """At least one."""
    if value is None:
        yield required(path)
    elif value <= 0:
        yield invalid(path, value, "must be greater than 0")


def endpoint(path: str, value: str) -> Iterator[Issue]:
    """An API server: `host`, `host:port`, or a URL of http or https, as client-go takes them."""
    if not value:
        yield required(path)
        return
    whole = _URL.match(value) is not None
    url = value if whole else f"https://{value}"
    rest = url.partition("://")[2]
    place = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if not whole and re.split(r"[?#]", rest[len(place) :], maxsplit=1)[0] not in {"", "/"}:
        yield invalid(path, value, "must be a URL, or a host with or without a port")
        return
    host, port = _host_and_port(place)
    if host is None or _CONTROL.search(value):
        yield invalid(path, value, "is no host with or without a port")
        return
    yield from one_of(path, url.partition("://")[0].lower(), ("http", "https"))
    if port and not 1 <= int(port) <= 65535:
        yield invalid(path, int(port), "must be between 1 and 65535")


def _host_and_port(place: str) -> tuple[str | None, str]:
    """None for what is no host, or whose port isn't digits."""
    place = place.rpartition("@")[2]
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::([0-9]*))?", place)
    if match is None or not match[1] or not _HOST.fullmatch(match[1]):
        return None, ""
    return match[1], match[2] or ""


def proxy(path: str, value: str) -> Iterator[Issue]:
    """A URL of a proxy."""
    try:
        scheme = urlsplit(value).scheme
        usable = not _CONTROL.search(value)
    except ValueError:
        scheme, usable = "", False
    if not usable:
        yield invalid(path, value, "is no URL")
    elif scheme not in {"http", "https", "socks5"}:
        yield invalid(path, value, "must be a URL of http, https or socks5")
