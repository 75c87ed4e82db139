"""What a process tells about itself over plain HTTP: /metrics, /healthz (it lives), /readyz (it works)."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import REGISTRY, generate_latest

Readiness = Callable[[], str]
"""Why the process isn't ready; "" when it is."""
STANDBY = "waiting for leadership"
"""What a process says that could work and needn't: another one does. `/readyz?standby=ok` takes that for ready, as
whoever rolls out several processes must."""

IDLE = 3600.0
ENDS_WITHIN = 3.0
"""Seconds that answers under way may take when a server ends: who leads must not keep its Lease for a slow reader."""


@asynccontextmanager
async def serve_health(address: str, unready: Readiness) -> AsyncIterator[str]:
    """Serve on `address` (host:port; port 0 is a free one) while the context lasts; yields the address in use."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(REGISTRY), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(request: web.Request) -> web.Response:
        why = unready()
        ready = not why or (why == STANDBY and request.query.get("standby") == "ok")
        return web.Response(text=f"{why or 'ok'}\n", status=200 if ready else 503)

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthz), web.get("/readyz", readyz)])
    async with running(app, address) as bound:
        yield bound


@asynccontextmanager
async def running(
    app: web.Application, address: str, ssl_context: object = None, *, idle: float = IDLE
) -> AsyncIterator[str]:
    """Run `app` on `address` while the context lasts; yields host:port. Raises OSError when it is taken.

    `idle`: seconds that a connection may go without a whole request's head, the first one included.
    """
    host, _, port = address.rpartition(":")
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=ENDS_WITHIN, keepalive_timeout=idle)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host.strip("[]") or None, int(port), ssl_context=ssl_context)  # type: ignore[arg-type]  # an SSLContext or None
        await site.start()
        name = runner.addresses[0]
        yield f"{host or '0.0.0.0'}:{name[1]}"  # noqa: S104  # what the user asked for by giving no host
    finally:
        await runner.cleanup()
