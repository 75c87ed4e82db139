"""Checks of stages: an HTTP answer, or a metric. Asked from the hub's own network, so of few addresses only.

Whoever may write an Application chooses the URL. So that nobody reaches through the hub what only the hub's machine can
reach, loopback, link-local (cloud metadata) and other special addresses are refused, unless the hub's options allow
them; the address that was judged is the one that is connected to; redirects are not followed, nothing of the hub's is
sent along, and an answer is read for 10 seconds and 64 KiB at most.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence

import aiohttp
import msgspec
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from atoll.api.durations import seconds
from atoll.api.objects import Key
from atoll.api.rollout import Check, HttpCheck, PrometheusCheck, Rollout
from atoll.plan.progress import Answer

log = structlog.get_logger(__name__)

LONGEST = 10.0
MOST_BYTES = 64 * 1024
LEAST_PAUSE = 1.0
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
METADATA = frozenset(ipaddress.ip_address(a) for a in ("100.100.100.200", "192.0.0.192", "fd00:ec2::254"))
"""Addresses of cloud metadata that look like any private one."""


class RefusedAddressError(OSError):
    """An address that a check may not ask."""


def permitted(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether a check may connect to `address`."""
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    if mapped is not None:
        return permitted(mapped, allowed)
    if any(address.version == network.version and address in network for network in allowed):
        return True
    special = address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified
    return not (special or address.is_reserved or address in METADATA)


class _Resolver(AbstractResolver):
    """Resolves names to permitted addresses only: the connection goes to what was judged, not to a second answer."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        addresses = {str(sockaddr[0]).partition("%")[0]: kind for kind, _, _, _, sockaddr in found}
        for text in addresses:
            if not permitted(ipaddress.ip_address(text), self._allowed):
                raise RefusedAddressError(f"{host} is {text}, an address that checks may not ask")
        return [
            ResolveResult(hostname=host, host=text, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for text, kind in addresses.items()
        ]

    async def close(self) -> None:
        """Nothing is held."""


class _Asking(msgspec.Struct, frozen=True):
    uid: str
    revision: int
    stage: str


class Gates:
    """Asks the checks that planning waits for. `wake(key)` is called when an answer changes."""

    def __init__(self, wake: Callable[[Key], None], allowed: Sequence[Network] = ()) -> None:
        self._wake = wake
        self._allowed = tuple(allowed)
        self._tasks: dict[str, tuple[_Asking, Check | None, asyncio.Task[None]]] = {}
        self._answers: dict[_Asking, Answer] = {}

    def answers(self, uid: str, revision: int) -> dict[str, Answer]:
        """By stage, what its check said last, of this very revision."""
        return {a.stage: answer for a, answer in self._answers.items() if (a.uid, a.revision) == (uid, revision)}

    def want(self, key: Key, uid: str, revision: int, stage: str, rollout: Rollout | None) -> None:
        """Ask the check of `stage`, as it is now, until it passes; no stage: none is waited for any more."""
        asking, check = _Asking(uid, revision, stage), _check(rollout, stage)
        running = self._tasks.get(uid)
        if running is not None and (running[:2] != (asking, check) or running[2].done()):
            running[2].cancel()
            del self._tasks[uid]
        for old in [a for a in self._answers if a.uid == uid and a.revision != revision]:
            del self._answers[old]
        passed = asking in self._answers and self._answers[asking].passed
        if check is not None and not passed and uid not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._ask(key, asking, check))
            self._tasks[uid] = asking, check, task

    def forget(self, uid: str) -> None:
        running = self._tasks.pop(uid, None)
        if running is not None:
            running[2].cancel()
        for old in [a for a in self._answers if a.uid == uid]:
            del self._answers[old]

    def close(self) -> None:
        for _, _, task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    async def _ask(self, key: Key, asking: _Asking, check: Check) -> None:
        while True:
            answer = await ask(check, self._allowed)
            if answer != self._answers.get(asking):
                self._answers[asking] = answer
                log.info("check", application=str(key), stage=asking.stage, message=answer.message or "passed")
                self._wake(key)
            if answer.passed:
                return
            await asyncio.sleep(max(LEAST_PAUSE, seconds(check.every)))


def _check(rollout: Rollout | None, stage: str) -> Check | None:
    if rollout is None or not stage:
        return None
    gates = next((s.gates for s in rollout.stages if s.name == stage), None) or rollout.gates
    return gates.check if gates is not None else None


async def ask(check: Check, allowed: Sequence[Network]) -> Answer:
    """Ask once. Every failure is an answer: that it didn't pass, and why."""
    try:
        async with asyncio.timeout(LONGEST):
            if check.http is not None:
                return await _http(check.http, allowed)
            if check.prometheus is not None:
                return await _prometheus(check.prometheus, allowed)
    except TimeoutError:
        return Answer(passed=False, message=f"no answer within {LONGEST:.0f} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, RefusedAddressError) else error
        return Answer(passed=False, message=str(cause) or type(error).__name__)
    return Answer(passed=False, message="there is nothing to ask")


async def _http(wish: HttpCheck, allowed: Sequence[Network]) -> Answer:
    status, text = await _get(wish.url, {}, allowed)
    if status != wish.status:
        return Answer(passed=False, message=f"status {status} instead of {wish.status}")
    if wish.contains.encode() not in text:
        return Answer(passed=False, message=f"the answer does not contain {wish.contains!r}")
    return Answer(passed=True)


class _Series(msgspec.Struct):
    value: tuple[float, str] = (0.0, "NaN")


class _Data(msgspec.Struct):
    result_type: str = msgspec.field(default="", name="resultType")
    result: msgspec.Raw = msgspec.Raw(b"[]")


class _Result(msgspec.Struct):
    status: str = ""
    data: _Data = msgspec.field(default_factory=_Data)


async def _prometheus(wish: PrometheusCheck, allowed: Sequence[Network]) -> Answer:
    status, text = await _get(wish.url.rstrip("/") + "/api/v1/query", {"query": wish.query}, allowed)
    if status != 200:
        return Answer(passed=False, message=f"Prometheus answered with status {status}")
    values = samples(text)
    if not values:
        return Answer(passed=False, message="the query has no value")
    if any(wish.min is not None and not value >= wish.min for value in values):
        return Answer(passed=False, message=f"a value is below {wish.min:g}")
    if any(wish.max is not None and not value <= wish.max for value in values):
        return Answer(passed=False, message=f"a value is above {wish.max:g}")
    return Answer(passed=True)


def samples(text: bytes) -> list[float]:
    """The values of an answer to an instant query. Raises ValueError when it isn't one."""
    try:
        data = msgspec.json.decode(text, type=_Result).data
        if data.result_type == "scalar":
            return [float(msgspec.json.decode(data.result, type=tuple[float, str])[1])]
        return [float(series.value[1]) for series in msgspec.json.decode(data.result, type=list[_Series])]
    except msgspec.DecodeError as error:
        raise ValueError(f"not an answer of Prometheus: {error}") from error


async def _get(text: str, query: dict[str, str], allowed: Sequence[Network]) -> tuple[int, bytes]:
    connector = aiohttp.TCPConnector(resolver=_Resolver(allowed), force_close=True, use_dns_cache=False)
    async with aiohttp.ClientSession(connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()) as http:
        url = URL(text)
        _judge_literal(url, allowed)
        async with http.get(url, params=query, allow_redirects=False) as answer:
            body = await answer.content.read(MOST_BYTES)
            while len(body) < MOST_BYTES and (more := await answer.content.read(MOST_BYTES - len(body))):
                body += more
            return answer.status, body


def _judge_literal(url: URL, allowed: Sequence[Network]) -> None:
    """An address in the URL itself is never resolved. `url` is as it will be asked: ①②⑦.0.0.1 is 127.0.0.1 there."""
    host = url.raw_host or ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return
    if not permitted(address, allowed):
        raise RefusedAddressError(f"{host} is an address that checks may not ask")
