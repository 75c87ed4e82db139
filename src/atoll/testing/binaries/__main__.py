"""`python -m atoll.testing.binaries`: get the programs of a local fleet, and say where they are."""

import sys

from atoll.testing.binaries import Binaries, MissingBinaryError
from atoll.testing.progress import Lines


def main() -> int:
    try:
        found = Binaries(Lines()).find_all()
    except MissingBinaryError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    for name, path in found.items():
        sys.stdout.write(f"{name:<24} {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
