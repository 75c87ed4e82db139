"""One agent in a process of its own, which may be killed: KUBECONFIG CONTEXT SOCKET; failpoints by the environment."""

import asyncio
import os
import sys
from pathlib import Path

from atoll.kube.config import load_kubeconfig
from atoll.runtime import failpoints
from atoll.testing.pulledfleet import AgentSide
from atoll.testing.socket_wires import SocketWires


async def main(kubeconfig: str, context: str, socket: str) -> None:
    failpoints.arm(os.environ)
    AgentSide(context, load_kubeconfig(Path(kubeconfig), context), SocketWires(Path(socket))).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
