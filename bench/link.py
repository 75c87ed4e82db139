"""The link against chisel: bulk, round trips, new streams; then a stalled reader, and a soak of streams.

Both are measured in turns in one run on loopback: a local port of the hub's side leads through TLS to a port on the
agent's side (with chisel: a reverse remote). Both sides' TLS has the same certificate; chisel encrypts a second time
inside, by SSH, which can't be switched off. chisel is built with Go into the user's cache. Whoever sends and what is
at the far end are the same for both.

In turn with them two bare relays carry round trips: a TLS connection for each stream, nothing of the link's. What they
take, Python's loop and TLS take by themselves.

make bench NAME=link ARGS="--rounds 5"
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from atoll.runtime.loop import serving_loop
from atoll.testing.localfleet.certificates import Authority
from atoll.testing.localfleet.ports import choose
from bench.linkends import COUNT, ECHO, HOST, STALL
from bench.result import median, percentile, result

BENCH = "link"
CHISEL = "v1.11.7"
MIB = 1 << 20
START_TIMEOUT = 20.0


def chisel() -> Path:
    """The peer's program, built once."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "atoll" / f"chisel-{CHISEL}"
    program = folder / "chisel"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "go.mod").write_text(f"module bench\ngo 1.24\nrequire github.com/jpillora/chisel {CHISEL}\n")
        go = shutil.which("go") or sys.exit("bench/link needs Go, to build chisel")
        environment = os.environ | {"GOFLAGS": "-mod=mod"}
        subprocess.run(
            [go, "build", "-o", "chisel", "github.com/jpillora/chisel"], cwd=folder, env=environment, check=True
        )
    return program


@asynccontextmanager
async def processes(*commands: tuple[list[str], int]) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    """Start them one after the other, each once the port of the one before answers; stop exactly these."""
    running = []
    try:
        for command, port in commands:
            quiet = asyncio.subprocess.DEVNULL
            running.append(await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet))
            async with asyncio.timeout(START_TIMEOUT):
                while not await answers(port):
                    await asyncio.sleep(0.05)
        yield running
    finally:
        for process in running:
            process.terminate()
            await process.wait()


async def answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    return True


async def leads_through(port: int) -> None:
    """Wait until what is sent there comes back from the far end."""
    async with asyncio.timeout(START_TIMEOUT):
        while True:
            try:
                await round_trips(port, 1)
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.05)
            else:
                return


async def bulk(port: int, streams: int, total: int) -> float:
    """MB/s of `streams` at once."""

    async def one(size: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        chunk = bytes(1 << 18)
        writer.write(COUNT)
        for _ in range(size // len(chunk)):
            writer.write(chunk)
            await writer.drain()
        writer.write(b"Z")
        await reader.readline()
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(one(total // streams) for _ in range(streams)))
    return total / (time.perf_counter() - began) / 1e6


async def round_trips(port: int, count: int) -> list[float]:
    """Seconds of each round trip of 64 bytes, one after the other."""
    reader, writer = await asyncio.open_connection(HOST, port)
    message, found = ECHO * 64, []
    for _ in range(count):
        began = time.perf_counter()
        writer.write(message)
        await reader.readexactly(len(message))
        found.append(time.perf_counter() - began)
    writer.close()
    return found


async def new_streams(port: int, count: int, at_once: int = 16) -> float:
    """Connections a second, each used for one byte there and back."""

    async def some(number: int) -> None:
        for _ in range(number):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(ECHO)
            await reader.readexactly(1)
            writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(some(count // at_once) for _ in range(at_once)))
    return count / (time.perf_counter() - began)


Measure = Callable[[int], Awaitable[float]]


def measures(scale: int) -> dict[str, tuple[str, Measure]]:
    """By name: the unit, and what measures it through a local port."""

    async def trips(port: int, share: float) -> float:
        return percentile(await round_trips(port, 1000 * scale), share) * 1e6

    return {
        "bulk, 1 stream": ("MB/s", lambda port: bulk(port, 1, 64 * MIB * scale)),
        "bulk, 32 streams": ("MB/s", lambda port: bulk(port, 32, 64 * MIB * scale)),
        "round trip, p50": ("us", lambda port: trips(port, 0.5)),
        "round trip, p99": ("us", lambda port: trips(port, 0.99)),
        "new streams": ("1/s", lambda port: new_streams(port, 640 * scale)),
    }


async def compare(atoll: int, peer: int, bare: int, rounds: int, scale: int) -> None:
    """Each measure is taken of all, one right after the other: a ratio is the median of the rounds' ratios."""
    for metric, (unit, measure) in measures(scale).items():
        found: dict[int, list[float]] = {peer: [], atoll: []}
        if metric.startswith("round trip"):
            found[bare] = []
        for turn in range(rounds):
            for port in found if turn % 2 else reversed(found):
                found[port].append(await measure(port))
        more = {"bare": round(median(found[bare]), 1)} if bare in found else {}
        result(
            BENCH, metric, median(found[atoll]), unit,
            ratio=round(median(ours / theirs for ours, theirs in zip(found[atoll], found[peer], strict=True)), 2),
            against=f"chisel {CHISEL}: {median(found[peer]):.1f}", rounds=rounds, **more,
        )  # fmt: skip


@asynccontextmanager
async def four(port: int, words: bytes) -> AsyncIterator[None]:
    """Four streams that have said `words`, once nothing of that moves any more, and a while later: what is measured
    beside any of them begins from the same rest.
    """
    streams = [await asyncio.open_connection(HOST, port) for _ in range(4)]
    for _, writer in streams:
        writer.write(words)
    before, left = -1, 0
    while before != left:
        await asyncio.sleep(0.25)
        before, left = left, sum(writer.transport.get_write_buffer_size() for _, writer in streams)
    await asyncio.sleep(0.5)
    yield
    for _, writer in streams:
        writer.transport.abort()
    await asyncio.sleep(0.2)


async def stalled(port: int, rounds: int, scale: int) -> None:
    """What streams that nobody reads take from the others, against streams that are read and have nothing to say. It is
    little: many short turns, each order as often.
    """
    sides = {"stalled": STALL + bytes(16 * MIB), "silent": ECHO}
    found: dict[str, list[float]] = {side: [] for side in sides}
    rounds *= 4
    for turn in range(rounds):
        for side in sides if turn % 2 else reversed(sides):
            async with four(port, sides[side]):
                found[side].append(await bulk(port, 4, 32 * MIB * scale))
    ratios = [one / other for one, other in zip(found["stalled"], found["silent"], strict=True)]
    result(
        BENCH, "bulk beside 4 stalled readers", median(found["stalled"]), "MB/s",
        ratio=round(median(ratios), 3), against="beside 4 silent ones", rounds=rounds,
    )  # fmt: skip


def resident(process: asyncio.subprocess.Process) -> float:
    """MiB."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


async def soak(port: int, ends: list[asyncio.subprocess.Process], streams: int) -> None:
    """Open `streams` and close them, three times; the memory after the first is what the others are held against."""
    after: list[list[float]] = []
    peak = [0.0, 0.0]
    for _ in range(3):
        for start in range(0, streams, 500):  # of which 500 at once stay within the limit of open files
            some = await asyncio.gather(
                *(asyncio.open_connection(HOST, port) for _ in range(min(500, streams - start)))
            )
            for reader, writer in some:
                writer.write(ECHO * 100)
                await reader.readexactly(100)
            peak = [max(p, resident(e)) for p, e in zip(peak, ends, strict=True)]
            for _, writer in some:
                writer.close()
        await asyncio.sleep(1)
        after.append([resident(end) for end in ends])
    for index, name in enumerate(("hub", "agent")):
        result(
            BENCH, f"memory of the {name}'s end after {3 * streams} streams", after[-1][index], "MiB",
            ratio=round(after[-1][index] / after[0][index], 3), against=f"after {streams}", peak=round(peak[index], 1),
        )  # fmt: skip


async def run(arguments: argparse.Namespace, folder: Path) -> None:
    pair = Authority(folder, "hub").issue("server", "hub", hosts=[HOST])
    ports: list[int] = []
    for _ in range(7):
        ports.append(choose(ports))
    far, link, local, peer_link, peer_local, bare_link, bare_local = ports
    python = [sys.executable, "-m", "bench.linkends"]
    program = str(chisel())
    async with processes(
        ([*python, "far", str(far)], far),
        ([*python, "hub", str(folder), str(link), str(local), str(far)], link),
        ([*python, "agent", str(folder), str(link), str(far)], local),
        ([program, "server", "--host", HOST, "-p", str(peer_link), "--reverse", "--tls-cert", str(pair.cert),
          "--tls-key", str(pair.key)], peer_link),
        ([program, "client", "--tls-ca", str(folder / "ca.crt"), f"https://{HOST}:{peer_link}",
          f"R:{HOST}:{peer_local}:{HOST}:{far}"], peer_local),
        ([*python, "bare-agent", str(folder), str(bare_link), str(far)], bare_link),
        ([*python, "bare-hub", str(folder), str(bare_local), str(bare_link)], bare_local),
    ) as running:  # fmt: skip
        for port in (local, peer_local, bare_local):
            await leads_through(port)
        await compare(local, peer_local, bare_local, arguments.rounds, arguments.scale)
        await stalled(local, arguments.rounds, arguments.scale)
        await soak(local, running[1:3], arguments.streams)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="of both in turns; medians are told")
    parser.add_argument("--scale", type=int, default=2, help="how much is sent in each")
    parser.add_argument("--streams", type=int, default=10_000, help="of the soak")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="atoll-bench-") as folder,
        asyncio.Runner(loop_factory=serving_loop) as runner,
    ):
        runner.run(run(arguments, Path(folder)))


if __name__ == "__main__":
    main()
