"""`python -m atoll.cli.kubefed` is `kubefedctl`."""

from atoll.cli.kubefed.main import run

run()
