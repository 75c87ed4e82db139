"""The clock of a benchmark, in a process of its own: says when objects appear on, change on and go from members.

Usage: python -m bench.ends KUBECONFIG CONTEXT,… NAMESPACE. Each line of its output is an event of a watch:
`TIME CONTEXT TYPE NAME MARK`, TIME in seconds of CLOCK_MONOTONIC, which processes of one machine share.
"""

import asyncio
import sys
import time

from atoll.kube.client import Client
from atoll.kube.config import load_kubeconfig
from atoll.kube.resources import CONFIGMAPS


async def follow(kubeconfig: str, context: str, namespace: str) -> None:
    async with Client(load_kubeconfig(kubeconfig, context)) as client:
        start = (await client.list(CONFIGMAPS, namespace)).resource_version
        print("ready", context, flush=True)
        while True:  # a server may end a watch in order, a young one above all: the next goes on where it was
            async for event in client.watch(CONFIGMAPS, start, namespace, timeout=3600, idle=3600):
                if event.object is None:
                    continue
                start = event.object.resource_version
                if event.type != "BOOKMARK":
                    mark = event.object.body().get("data", {}).get("mark", "")
                    print(f"{time.monotonic():.6f} {context} {event.type} {event.object.name} {mark}", flush=True)


async def main(kubeconfig: str, contexts: str, namespace: str) -> None:
    async with asyncio.TaskGroup() as scope:
        for context in contexts.split(","):
            scope.create_task(follow(kubeconfig, context, namespace))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
