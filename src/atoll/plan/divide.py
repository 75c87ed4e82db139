"""How many replicas each cluster gets.

A total is divided by the method of largest remainders (Hamilton): every cluster gets its quota rounded down, and what
is left goes, one each, to the clusters whose quota lost most by rounding. Among equal losses, a cluster that has the
extra replica already keeps it, so that nothing moves without need; then the name decides.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from atoll.api.objects import Manifest
from atoll.api.replicas import Replicas, Share
from atoll.plan.model import Numbers, RefusedError
from atoll.plan.scalable import own_replicas

EVERY_OTHER = "*"

Previous = Mapping[str, int | None]
"""Replicas that each cluster had last; None or absent when unknown."""


class Part(NamedTuple):
    """What one cluster gets of the replicas, and why so many."""

    numbers: Numbers
    why: str


def apportion(total: int, weights: Mapping[str, int], previous: Previous) -> dict[str, int]:
    """Divide `total` in proportion to `weights`, whose sum is more than 0; `previous` breaks ties.

    Exact: whole numbers only. Each result is its quota rounded down or up; their sum is `total`.
    """
    whole = sum(weights.values())
    shares = {name: total * weight // whole for name, weight in weights.items()}

    def claim(name: str) -> tuple[int, bool, str]:
        keeps_what_it_has = (previous.get(name) or 0) > shares[name]
        return -(total * weights[name] % whole), not keeps_what_it_has, name

    left = total - sum(shares.values())
    for name in sorted(weights, key=claim)[:left] if left else ():
        shares[name] += 1
    return shares


def weights_of(share: Share, clusters: Sequence[str]) -> dict[str, int]:
    """The weight of each cluster: its own, else that of "*", else 0; all equal when none is given at all."""
    if not share.weights:
        return dict.fromkeys(clusters, 1)
    every_other = share.weights.get(EVERY_OTHER, 0)
    return {name: share.weights.get(name, every_other) for name in clusters}


def divide(
    replicas: Replicas | None, manifests: Sequence[Manifest], clusters: Sequence[str], previous: Previous
) -> dict[str, Part]:
    """The part of each of `clusters`: a number for each manifest, None where its own number holds.

    Raises `RefusedError` when there is a total and nobody to carry it.
    """
    if replicas is None:
        return dict.fromkeys(clusters, Part((None,) * len(manifests), ""))
    shares = [_share_of(m, replicas) for m in manifests]
    columns = {path: _divide(share, clusters, previous, path) for path, share in _distinct(shares)}
    parts: dict[tuple[_Given, ...], Part] = {}  # few are different: they are made once

    def part(row: tuple[_Given, ...]) -> Part:
        given = dict(zip(columns, row, strict=True))
        return Part(tuple(given[s[0]][0] if s is not None else None for s in shares), _in_words(given))

    result: dict[str, Part] = {}
    for name in clusters:
        row = tuple([column[name] for column in columns.values()])
        if row not in parts:
            parts[row] = part(row)
        result[name] = parts[row]
    return result


_Path = str
_Given = tuple[int | None, str]


def _share_of(manifest: Manifest, replicas: Replicas) -> tuple[_Path, Share] | None:
    """The share that rules the object, with its path in the Application; None when it isn't scalable."""
    if own_replicas(manifest) is None:
        return None
    name = manifest.id.name
    own = replicas.workloads.get(name)
    return ("spec.replicas", replicas) if own is None else (f"spec.replicas.workloads[{name}]", own)


def _distinct(shares: Iterable[tuple[_Path, Share] | None]) -> list[tuple[_Path, Share]]:
    return sorted({share[0]: share for share in shares if share is not None}.values(), key=lambda share: share[0])


def _divide(share: Share, clusters: Sequence[str], previous: Previous, at: _Path) -> dict[str, _Given]:
    if share.each is not None:
        return dict.fromkeys(clusters, (share.each, f"{share.each} on each"))
    if share.total is None:
        return dict.fromkeys(clusters, (None, ""))
    weights = weights_of(share, clusters)
    whole = sum(weights.values())
    if whole == 0:
        if share.total == 0:
            return dict.fromkeys(clusters, (0, "0 in all"))
        raise RefusedError(
            f"{at}.weights", f"the chosen clusters' weights sum to 0: none carries the {share.total} replicas"
        )
    numbers = apportion(share.total, weights, previous)
    return {name: (numbers[name], f"weight {weights[name]} of {whole}") for name in clusters}


def _in_words(given: Mapping[_Path, _Given]) -> str:
    """The common share first; a workload's own with its name."""
    said = []
    for path, (_, why) in given.items():
        _, _, workload = path.partition("[")
        if why:
            said.append(f"{workload.rstrip(']')}: {why}" if workload else why)
    return "; ".join(said)
