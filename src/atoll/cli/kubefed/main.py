"""`kubefedctl`, the program."""

import sys

from atoll.cli.kubefed.app import app
from atoll.cli.main import carried_out


def run() -> None:
    sys.exit(carried_out(app, sys.argv[1:], "kubefedctl"))
