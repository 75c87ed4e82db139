"""KubeFed's CustomResourceDefinitions as YAML files: `python -m atoll.api.kubefed.manifests [--check] [DIR]`.

The fixed kinds, and the federated types that a fresh control plane propagates.
"""

import argparse
import sys
from pathlib import Path

from atoll.api.common import AnyJson
from atoll.api.crds import refresh
from atoll.api.kubefed.definitions import crds, federated_crd
from atoll.api.kubefed.types import ENABLED, federated_type
from atoll.api.manifests import dump

HEADER = "# Generated from src/atoll/api/kubefed by `python -m atoll.api.kubefed.manifests`. Don't edit.\n"


def definitions() -> list[AnyJson]:
    """All that is to be defined for a fresh control plane."""
    return [*crds(), *(federated_crd(federated_type(target)) for target in ENABLED)]


def files() -> dict[str, str]:
    """Each definition's file name and YAML."""
    return {
        f"{body['spec']['group']}_{body['spec']['names']['plural']}.yaml": HEADER + dump([body])
        for body in definitions()
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m atoll.api.kubefed.manifests", description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path("deploy/kubefed/crds"), metavar="DIR")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    options = parser.parse_args(arguments)
    return refresh(files(), options.directory, check=options.check)


if __name__ == "__main__":
    sys.exit(main())
