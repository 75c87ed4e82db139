"""Options of `deploy` and `create` as parts of an Application's spec: where, how many, and what differs. Pure.

Whatever is for one cluster begins with its name and a colon, `*:` is every cluster:

    --image-registry eu-1=registry.example     the registry of every image there
    --image-on eu-1:gcr.io/shop=docker.io/shop images that begin so, replaced there
    --env-on eu-1:web:LOG_LEVEL=debug          a variable of workload web (or web/container) there
    --replicas 2                               of each workload, on every cluster
    --replicas web=3                           of workload web, on every cluster
    --replicas eu-1:web=3                      of workload web there; `eu-1:*=3` of each workload there
    --total 9 --weights eu-1=2,'*'=1           in all, divided
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec
import typer

from atoll.cli.exits import UsageError
from atoll.cli.options import key_values, number, split_list

EVERY = "*"

Clusters = Annotated[list[str] | None, typer.Option("--clusters", metavar="A,B,…", help="On these clusters.")]
AllClusters = Annotated[bool, typer.Option("--all-clusters", help="On all clusters.")]
Selector = Annotated[str, typer.Option("--selector", "-l", metavar="K=V,…", help="On clusters with these labels.")]
Where = Annotated[str, typer.Option("--where", metavar="CEL", help="On clusters for which this holds.")]
Replicas = Annotated[
    list[str] | None,
    typer.Option("--replicas", metavar="[CLUSTER:][WORKLOAD=]N", help="How many, everywhere or on one cluster."),
]
Total = Annotated[list[str] | None, typer.Option("--total", metavar="[WORKLOAD=]N", help="How many in all, divided.")]
Weights = Annotated[list[str] | None, typer.Option("--weights", metavar="A=2,B=1", help="How --total is divided.")]
ImageRegistry = Annotated[
    list[str] | None, typer.Option("--image-registry", metavar="CLUSTER=HOST", help="Another registry for all images.")
]
Image = Annotated[
    list[str] | None,
    typer.Option("--image-on", metavar="CLUSTER:FROM=TO", help="Images that begin so, replaced there."),
]
Env = Annotated[list[str] | None, typer.Option("--env-on", metavar="CLUSTER:WORKLOAD:K=V", help="A variable there.")]


class Wishes(msgspec.Struct, frozen=True):
    """The options as given."""

    clusters: tuple[str, ...] = ()
    all_clusters: bool = False
    selector: str = ""
    where: str = ""
    replicas: tuple[str, ...] = ()
    total: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    env: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        return any(getattr(self, name) for name in self.__struct_fields__)


def spec_of(wishes: Wishes) -> dict[str, Any]:
    """`placement`, `replicas` and `differences` as far as they are wished for. Raises UsageError."""
    spec: dict[str, Any] = {"placement": placement(wishes)}
    if shares := replicas(wishes):
        spec["replicas"] = shares
    if differing := differences(wishes):
        spec["differences"] = differing
    return spec


def placement(wishes: Wishes) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if names := split_list(wishes.clusters):
        result["clusters"] = names
    if wishes.selector:
        result["selector"] = {"matchLabels": key_values([wishes.selector], "--selector")}
    if wishes.where:
        result["where"] = wishes.where
    if wishes.all_clusters:
        if result:
            raise UsageError("--all-clusters stands alone: it is every cluster")
        return {"all": True}
    if not result:
        raise UsageError("where is it to run?", "give --clusters A,B, --selector K=V, --where CEL or --all-clusters")
    return result


def replicas(wishes: Wishes) -> dict[str, Any]:
    """`spec.replicas`: what holds on every cluster."""
    weights = {k: number(v, "--weights") for k, v in key_values(wishes.weights, "--weights").items()}
    result: dict[str, Any] = {}
    for text in wishes.replicas:
        if ":" in text:
            continue  # of one cluster: a difference
        workload, count = _workload(text, "--replicas")
        _share(result, workload, {"each": count}, "--replicas")
    for text in wishes.total:
        workload, count = _workload(text, "--total")
        _share(result, workload, {"total": count} | ({"weights": weights} if weights else {}), "--total")
    if weights and not wishes.total:
        raise UsageError("--weights divide a total: give --total, too")
    return result


def _share(result: dict[str, Any], workload: str, share: dict[str, Any], option: str) -> None:
    target = result.setdefault("workloads", {}).setdefault(workload, {}) if workload else result
    if "each" in target or "total" in target:
        raise UsageError(f"{option}: {workload or 'the number for each workload'} is given twice")
    target.update(share)


def _workload(text: str, option: str) -> tuple[str, int]:
    """`3` or `web=3`."""
    workload, separator, count = text.rpartition("=")
    if separator and not workload:
        raise UsageError(f"{option}: {text!r} names no workload")
    return workload, number(count, option)


def differences(wishes: Wishes) -> list[dict[str, Any]]:
    """One difference a cluster; what is for every cluster comes first, so that a cluster's own goes before it."""
    found: dict[str, dict[str, Any]] = {}
    for text in wishes.registries:
        cluster, host = _pair(text, "=", "--image-registry", "CLUSTER=HOST")
        _of(found, cluster).setdefault("images", []).append({"registry": host})
    for text in wishes.images:
        cluster, rule = _pair(text, ":", "--image-on", "CLUSTER:FROM=TO")
        old, new = _pair(rule, "=", "--image-on", "CLUSTER:FROM=TO")
        _of(found, cluster).setdefault("images", []).append({"from": old, "to": new})
    for text in wishes.env:
        cluster, rest = _pair(text, ":", "--env-on", "CLUSTER:WORKLOAD:K=V")
        workload, variable = _pair(rest, ":", "--env-on", "CLUSTER:WORKLOAD:K=V")
        key, value = _pair(variable, "=", "--env-on", "CLUSTER:WORKLOAD:K=V", empty=True)
        _of(found, cluster).setdefault("env", {}).setdefault(workload, {})[key] = value
    for text in wishes.replicas:
        if ":" in text:
            cluster, rest = _pair(text, ":", "--replicas", "CLUSTER:WORKLOAD=N")
            workload, count = _workload(rest, "--replicas")
            _of(found, cluster).setdefault("replicas", {})[workload or EVERY] = count
    return sorted(found.values(), key=lambda difference: "all" not in difference)


def _of(found: dict[str, dict[str, Any]], cluster: str) -> dict[str, Any]:
    return found.setdefault(cluster, {"all": True} if cluster == EVERY else {"clusters": [cluster]})


def _pair(text: str, separator: str, option: str, form: str, *, empty: bool = False) -> tuple[str, str]:
    left, found, right = text.partition(separator)
    if not found or not left or (not right and not empty):
        raise UsageError(f"{option}: {text!r} is not {form}")
    return left, right


def wrap(name: str, namespace: str, manifests: Iterable[Mapping[str, Any]], wishes: Wishes) -> dict[str, Any]:
    """An Application of `manifests`."""
    return {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"manifests": list(manifests), **spec_of(wishes)},
    }
