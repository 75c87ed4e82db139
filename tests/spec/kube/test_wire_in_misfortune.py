"""Whatever a server does with a connection, and whoever stops waiting: an answer is that of its request, or there is
none, and what may not be sent twice is sent once.
"""

import asyncio
from collections import Counter
from random import Random

import aiohttp
import pytest

from atoll.kube.http1 import NotHttpError
from atoll.kube.transport import open_socket
from atoll.kube.wire import Wire
from tests.spec.kube.conftest import Listen

REQUESTS, AT_ONCE = 400, 20
BROKEN = (OSError, aiohttp.ClientError, asyncio.TimeoutError, NotHttpError)


class Moody:
    """A server whose answers repeat what was asked for, and which ends them, or the connection, as it likes."""

    def __init__(self, random: Random) -> None:
        self.posts: Counter[bytes] = Counter()
        self._random = random

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                method, path, _ = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)
                self.posts[path] += method == b"POST"
                if not await self._answer(path, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _answer(self, path: bytes, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on."""
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(path), path)
        chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x;a=b\r\n%s\r\n0\r\nX: y\r\n\r\n" % (
            len(path),
            path,
        )
        mood = self._random.choice(
            ("well", "well", "chunks", "early hints", "late", "more", "cut", "ends", "reset", "then ends")
        )
        words = {
            "chunks": chunks,
            "early hints": b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + whole,
            "more": whole + b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad",
            "cut": self._random.choice((whole, chunks))[: self._random.randint(0, 50)],
            "ends": b"",
            "reset": whole[:5],
        }.get(mood, whole)
        if mood == "late":
            await asyncio.sleep(self._random.uniform(0.0, 0.01))
        place = self._random.randint(0, len(words))
        for part in (words[:place], words[place:]):
            writer.write(part)
            await asyncio.sleep(0)
        if mood == "reset":
            writer.transport.abort()
        return mood not in {"cut", "ends", "reset", "then ends"}


@pytest.mark.parametrize("seed", [1, 2])
async def test_answers_are_those_of_their_requests(listen: Listen, seed: int) -> None:
    random, places, outcomes = Random(seed), asyncio.Semaphore(AT_ONCE), Counter[str]()
    server = Moody(random)
    way = Wire(
        f"http://127.0.0.1:{await listen(server.talk)}",
        tls_name="",
        dial=None,
        open_socket=open_socket,
        patience=5.0,
        keep=0.5,
    )

    async def ask(number: int) -> None:
        method, path = random.choice(("GET", "POST")), f"/request-{number}"
        async with places:
            try:
                async with asyncio.timeout(random.choice((0.003, *[10.0] * 7))):
                    text = f"{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
                    answer = await way.exchange(method, text, None, random.choice((0.005, *[10.0] * 7)))
            except BROKEN:
                outcomes["broken"] += 1
            else:
                outcomes["answered"] += 1
                assert answer.body == path.encode()

    await asyncio.gather(*(ask(number) for number in range(REQUESTS)))
    assert max(server.posts.values()) == 1
    assert min(outcomes["answered"], outcomes["broken"]) > REQUESTS // 10
    await way.close()
    assert not way._open
