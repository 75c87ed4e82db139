"""`python -m atoll` is `atoll`."""

from atoll.cli.main import run

run()
