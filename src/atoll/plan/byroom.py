"""A total divided by the room that clusters have: in proportion to it, or on as few clusters as can hold it.

What is placed stays: only what is missing is handed out, and only what is too much is taken away. So a figure that goes
up and down with every Pod moves nothing, and needs no threshold.
"""

from collections.abc import Mapping, Sequence

from atoll.plan.apportion import apportion_within

Counts = Mapping[str, int]


def by_room(total: int, has: Counts, least: Counts, most: Counts) -> dict[str, int]:
    """Divide in proportion to what is free: `most` less what each has. The sum is less where all are full.

    `has`, by cluster, is what is placed; `most` bounds each, and `least` comes first.
    """
    shares = {n: bound if (mine := has.get(n, 0)) > bound else mine for n, bound in most.items()}
    for name, bound in least.items():
        shares[name] = max(shares[name], bound)
    missing = total - sum(shares.values())
    if missing > 0:
        free = {name: most[name] - share for name, share in shares.items() if most[name] > share}
        for name, more in apportion_within(missing, free, {}, free, {}).items():
            shares[name] += more
    elif missing < 0:
        spare = {name: share - least.get(name, 0) for name, share in shares.items() if share > least.get(name, 0)}
        for name, fewer in apportion_within(-missing, spare, {}, spare, {}).items():
            shares[name] -= fewer
    return shares


def packed(total: int, has: Counts, least: Counts, most: Counts, order: Sequence[str]) -> dict[str, int]:
    """Fill clusters one after the other: those in use first, fullest first, then the roomiest; `order` breaks ties.

    A cluster that is used has its least. What is too much goes from where least is, so that a cluster becomes free.
    """
    shares = {name: min(has.get(name, 0), most[name]) for name in order}
    place = {name: index for index, name in enumerate(order)}
    missing = total - sum(shares.values())
    while missing < 0:
        name = min((n for n in order if shares[n]), key=lambda n: (shares[n], -place[n]))
        fewer = min(shares[name], -missing)
        shares[name] -= fewer
        missing += fewer
    for name in sorted(order, key=lambda n: (not shares[n], -shares[n], -most[n], place[n])):
        more = min(max(missing, 0), most[name] - shares[name])
        shares[name] += more
        missing -= more
    return _with_least(shares, least)


def _with_least(shares: dict[str, int], least: Counts) -> dict[str, int]:
    """Give the clusters in use their least, from those that have most to spare; whoever can't get it gets none."""
    for name in [n for n, share in shares.items() if share]:
        while shares[name] and shares[name] < least.get(name, 0):
            giver = max((n for n in shares if n != name), key=lambda n: shares[n] - least.get(n, 0), default=name)
            spare = shares[giver] - least.get(giver, 0)
            if giver == name or spare <= 0:
                break
            given = min(spare, least.get(name, 0) - shares[name])
            shares[giver] -= given
            shares[name] += given
    return shares
