"""Starts hubs and agents by forking: Python's modules are loaded once, so that one that is killed is back at once.

A line of JSON in, `{"argv": […], "env": {…}, "log": path}`; the new process's number out. It ends with its input.
"""

import json
import os
import signal
import sys
from pathlib import Path

import atoll.agent.main
import atoll.cli.agent
import atoll.cli.hub
import atoll.hub.main
from atoll.cli.main import run


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    for line in sys.stdin:
        order = json.loads(line)
        if pid := os.fork():
            sys.stdout.write(f"{pid}\n")
            sys.stdout.flush()
        else:
            become(order["argv"], order["env"], Path(order["log"]))


def become(argv: list[str], environment: dict[str, str], log: Path) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.update(environment)
    sys.argv = ["atoll", *argv]
    try:
        run()
    finally:
        os._exit(0)


if __name__ == "__main__":
    assert atoll.hub.main and atoll.cli.hub and atoll.agent.main and atoll.cli.agent  # loaded before the first fork
    main()
