"""`python -m atoll`: the command line without its script."""

from atoll.cli.main import run

run()
