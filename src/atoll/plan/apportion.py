"""A total in proportion to weights, by the method of largest remainders (Hamilton), within bounds.

Every cluster gets its quota rounded down, and what is left goes, one each, to the clusters whose quota lost most by
rounding. Among equal losses, a cluster that has the extra replica already keeps it, so that nothing moves without need;
then the name decides.
"""

from collections.abc import Mapping

Previous = Mapping[str, int | None]
"""Replicas that each cluster had last; None or absent when unknown."""


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


def apportion_within(
    total: int,
    weights: Mapping[str, int],
    least: Mapping[str, int],
    most: Mapping[str, int],
    previous: Previous,
) -> dict[str, int]:
    """The same within bounds: whoever's quota is beyond a bound gets the bound, and the others divide the rest.

    `least` and `most` hold bounds by name, where there are any, the lower ones not above the upper ones. The sum is
    `total`, less where all are at their most or weigh nothing. Where `total` is too little for all that is at least,
    the heavier come first, then the names.
    """
    if total <= sum(least.values()):
        return _only_the_least(total, weights, least)
    shares: dict[str, int] = {name: least.get(name, 0) for name, weight in weights.items() if not weight}
    active = {name: weight for name, weight in weights.items() if weight}
    while active:
        left, whole = total - sum(shares.values()), sum(active.values())
        over = {n: most[n] for n, weight in active.items() if n in most and left * weight > most[n] * whole}
        under = {n: least[n] for n, weight in active.items() if n in least and left * weight < least[n] * whole}
        if not over and not under:
            shares |= apportion(left, active, previous)
            break
        excess = sum(left * active[name] - bound * whole for name, bound in over.items())
        lack = sum(bound * whole - left * active[name] for name, bound in under.items())
        settled = over if excess >= lack else under
        shares |= settled
        active = {name: weight for name, weight in active.items() if name not in settled}
    return {name: shares[name] for name in weights}


def _only_the_least(total: int, weights: Mapping[str, int], least: Mapping[str, int]) -> dict[str, int]:
    shares = dict.fromkeys(weights, 0)
    for name in sorted(weights, key=lambda name: (-weights[name], name)):
        shares[name] = min(least.get(name, 0), total)
        total -= shares[name]
    return shares
