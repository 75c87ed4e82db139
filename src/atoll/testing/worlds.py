"""Small worlds for tests of planning: clusters, manifests and intents in one line each."""

from collections.abc import Mapping
from typing import Any

from atoll.api.differences import Difference
from atoll.api.intent import Intent, Revision
from atoll.api.objects import Json, Key, Manifest, manifest
from atoll.api.placement import Placement
from atoll.plan.model import ClusterFacts, Snapshot

SHOP = Key("demo", "shop")
EVERYWHERE = Placement(all=True)


def cluster(name: str, **facts: Any) -> ClusterFacts:
    return ClusterFacts(name, uid=f"uid-of-{name}", **facts)


def fleet(*clusters: ClusterFacts | str, previous: Mapping[str, int | None] | None = None, hub: str = "") -> Snapshot:
    """A fleet of `clusters`, bare names being clusters without facts; `previous` is where `SHOP` was placed last."""
    facts = [cluster(c) if isinstance(c, str) else c for c in clusters]
    before = {SHOP: dict(previous)} if previous is not None else {}
    return Snapshot({f.name: f for f in facts}, previous=before, hub=hub)


def intent(*manifests: Manifest, placement: Placement = EVERYWHERE, **rest: Any) -> Intent:
    """The application `SHOP`; with a Deployment `web` when no manifests are given."""
    return Intent(SHOP, "uid-of-shop", Revision(1, "uid-of-shop", 1), manifests or (deployment(),), placement, **rest)


def everywhere(**differs: Any) -> Difference:
    """A difference that holds on every cluster."""
    return Difference(all=True, **differs)


def body(api_version: str, kind: str, name: str, *, namespace: str = "demo", **fields: Any) -> Json:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def container(name: str = "app", image: str = "gcr.io/shop/web:1.0", **fields: Any) -> Json:
    return {"name": name, "image": image, **fields}


def deployment(name: str = "web", *containers: Json, replicas: int | None = None, **pod: Any) -> Manifest:
    """A Deployment; with one container `app` when none are given."""
    spec: Json = {
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": list(containers) or [container()], **pod},
        },
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return manifest(body("apps/v1", "Deployment", name, spec=spec))


def config(name: str = "settings", **data: str) -> Manifest:
    return manifest(body("v1", "ConfigMap", name, data=data))
