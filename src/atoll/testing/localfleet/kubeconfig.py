"""Kubeconfigs: with everything inline for people, with file names for the fleet's own components."""

import base64
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from atoll.api.manifests import dump
from atoll.testing.localfleet.certificates import Pair, write_private
from atoll.testing.localfleet.components import ClusterPlan


def write_component(plan: ClusterPlan, user: str, identity: Pair) -> None:
    """The kubeconfig by which the component `user` finds its own API server."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": plan.shape.name,
                "cluster": {"server": plan.server_url, "certificate-authority": str(plan.authority.cert)},
            }
        ],
        "users": [{"name": user, "user": {"client-certificate": str(identity.cert), "client-key": str(identity.key)}}],
        "contexts": [{"name": plan.shape.name, "context": {"cluster": plan.shape.name, "user": user}}],
        "current-context": plan.shape.name,
    }
    write_private(plan.kubeconfig(user), msgspec.json.encode(config))


def write_people(path: Path, clusters: Sequence[tuple[ClusterPlan, Pair]]) -> None:
    """One context for each cluster. Keeps the current context that a user chose, and an unchanged file as it is."""
    names = [plan.shape.name for plan, _ in clusters]
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": plan.shape.name,
                "cluster": {"server": plan.server_url, "certificate-authority-data": _inline(plan.authority.cert)},
            }
            for plan, _ in clusters
        ],
        "users": [
            {
                "name": f"{plan.shape.name}-admin",
                "user": {
                    "client-certificate-data": _inline(identity.cert),
                    "client-key-data": _inline(identity.key),
                },
            }
            for plan, identity in clusters
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": f"{name}-admin"}} for name in names],
        "current-context": names[0],
    }
    present = path.read_text() if path.exists() else ""
    chosen = re.search(r"^current-context: *(\S+) *$", present, re.MULTILINE)
    if chosen is not None and chosen[1] in names:
        config["current-context"] = chosen[1]
    if (text := dump([config])) != present:
        write_private(path, text.encode())


def _inline(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
