"""Every object of an installation but the CRDs, from one function; and the plain manifests in `deploy/`.

`python -m atoll.install.manifests [--check] [DIR]` writes them, or says which are stale.
"""

import argparse
import sys
from pathlib import Path

from atoll.api.crds import files as crd_files
from atoll.api.kubefed.names import NAMESPACE
from atoll.api.manifests import dump
from atoll.api.names import SYSTEM_NAMESPACE
from atoll.api.objects import Json
from atoll.hub.kubefed.ensuring import objects as control_plane
from atoll.install.confinement import confinement
from atoll.install.kubefed.rights import kubefed_roles
from atoll.install.layout import IMAGE, Layout, meta
from atoll.install.requirements import runtime_requirements
from atoll.install.rights import roles
from atoll.install.workload import (
    agents_service,
    deployment,
    disruption_budget,
    members_account,
    network_policy,
    service,
    service_account,
)

HEADER = "# Generated from src/atoll/install by `python -m atoll.install.manifests`. Don't edit.\n"
LOCK = Path("requirements.lock")


def objects(layout: Layout) -> tuple[Json, ...]:
    """In the order in which they are applied; what runs comes last, when its rights are there."""
    return (
        *(namespace(name) for name in dict.fromkeys((SYSTEM_NAMESPACE, layout.namespace))),
        service_account(layout),
        *confinement(layout),
        *roles(layout),
        *(kubefed_roles(layout) if layout.kubefed else ()),
        service(layout),
        *((agents_service(layout), members_account()) if layout.agents else ()),
        disruption_budget(layout),
        *((network_policy(layout),) if layout.network_policy else ()),
        deployment(layout),
    )


def namespace(name: str) -> Json:
    """With the strictest of the Pod Security Standards: nothing of Atoll's needs more."""
    body = meta(name)
    body["labels"] = {
        "app.kubernetes.io/part-of": "atoll",
        "pod-security.kubernetes.io/enforce": "restricted",
    }
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": body}


def files(lock: str) -> dict[str, str]:
    """By name: what lies in `deploy/`. `lock` is the content of requirements.lock."""
    kustomization: Json = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [*(f"crds/{name}" for name in crd_files()), "hub.yaml"],
        "images": [{"name": "atoll", "newName": "atoll", "newTag": IMAGE.rpartition(":")[2]}],
    }
    return {
        "hub.yaml": HEADER + dump(objects(Layout())),
        "network-policy.yaml": HEADER + dump([network_policy(Layout())]),
        "kubefed/control-plane.yaml": HEADER + dump(control_plane()),
        "kubefed/rights.yaml": HEADER + dump(kubefed_roles(Layout(kubefed=NAMESPACE))),
        "kustomization.yaml": HEADER + dump([kustomization]),
        "requirements.txt": HEADER + runtime_requirements(lock),
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m atoll.install.manifests", description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path("deploy"), metavar="DIR")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    options = parser.parse_args(arguments)
    wanted = files(LOCK.read_text())
    stale = [name for name, text in wanted.items() if not _is(options.directory / name, text)]
    for name in stale:
        if options.check:
            sys.stderr.write(f"{options.directory / name} is stale: run `python -m atoll.install.manifests`\n")
        else:
            (options.directory / name).parent.mkdir(parents=True, exist_ok=True)
            (options.directory / name).write_text(wanted[name])
    return 1 if options.check and stale else 0


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
