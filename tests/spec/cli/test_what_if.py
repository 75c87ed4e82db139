"""Where an application would be on another fleet."""

from typing import Any

import msgspec
import pytest

from atoll.api.objects import Key, Manifest
from atoll.api.placement import Placement, Spread
from atoll.api.replicas import Replicas
from atoll.api.rooms import Room
from atoll.api.status import ApplicationStatus, PlacedCluster
from atoll.cli.exits import CommandError
from atoll.cli.foreseen import Fate, changed, fate
from atoll.hub.reservations import Reservations
from atoll.plan.model import ClusterFacts
from atoll.testing.worlds import cluster, container, deployment, intent

NOW = {name: cluster(name, region=region) for name, region in (("a", "eu"), ("b", "eu"), ("c", "us"))}


def on(placed: dict[str, int]) -> ApplicationStatus:
    return ApplicationStatus(placement=tuple(PlacedCluster(name, number) for name, number in placed.items()))


def lose(*names: str, regions: tuple[str, ...] = ()) -> dict[str, object]:
    return dict(changed(NOW, lost=frozenset(names), regions=frozenset(regions), added=[]))


def test_a_lost_clusters_share_goes_to_the_others() -> None:
    app = intent(deployment(), replicas=Replicas(total=6))
    then = changed(NOW, lost=frozenset({"c"}), regions=frozenset(), added=[])
    found = fate(app, on({"a": 2, "b": 2, "c": 2}), NOW, then)
    assert [(m.cluster, m.before, m.after) for m in found.moves] == [("a", "2", "3"), ("b", "2", "3"), ("c", "2", "-")]
    assert found.moves[2].why == "the cluster is gone"
    assert found.trouble == ""


def test_a_lost_region_is_all_its_clusters() -> None:
    assert set(lose(regions=("eu",))) == {"c"}


def test_what_would_be_nowhere_is_said() -> None:
    app = intent(deployment(), placement=Placement(clusters=("c",)))
    then = changed(NOW, lost=frozenset({"c"}), regions=frozenset(), added=[])
    assert fate(app, on({"c": 1}), NOW, then).trouble == "it would be on no cluster"


def test_what_is_not_concerned_does_not_move() -> None:
    app = intent(deployment(), placement=Placement(clusters=("a",)))
    then = changed(NOW, lost=frozenset({"c"}), regions=frozenset(), added=[])
    assert fate(app, on({"a": 1}), NOW, then).moves == ()


@pytest.mark.parametrize(("names", "regions", "words"), [(("d",), (), "no cluster d"), ((), ("mars",), "region mars")])
def test_a_name_that_is_none_is_an_error(names: tuple[str, ...], regions: tuple[str, ...], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        lose(*names, regions=regions)


def roomy(name: str, cores: int) -> ClusterFacts:
    return cluster(name, rooms=(Room({"cpu": cores * 1000, "memory": 1 << 40}, pods=100),))


def asking(cores: int) -> Manifest:
    return deployment("web", container(resources={"requests": {"cpu": str(cores)}}))


def lost_of_two(cores: int, **wish: Any) -> tuple[Fate, Fate]:
    """Two applications that have two replicas on each of two clusters, one of which is lost."""
    now = {"a": roomy("a", cores), "b": roomy("b", cores)}
    then = {"a": now["a"]}
    promised = Reservations()
    shares = on({"a": 2, "b": 2})
    app = intent(asking(1), replicas=Replicas(total=4, **wish))
    one, two = (
        fate(msgspec.structs.replace(app, key=Key("demo", n)), shares, now, then, promised) for n in ("one", "two")
    )
    return one, two


def test_what_one_application_takes_is_not_there_for_the_next() -> None:
    one, two = lost_of_two(3, divide="capacity")
    assert (one.trouble, two.trouble) == ("", "3 of 4 replicas would fit")
    assert lost_of_two(4, divide="capacity")[1].trouble == ""


def test_weights_do_not_ask_for_room_and_it_is_said_where_there_is_none() -> None:
    one, two = lost_of_two(3)
    assert (one.trouble, two.trouble) == ("", "a: no room for 1 of 2 more replicas of web")


def test_a_spread_that_can_no_longer_be_met_is_said() -> None:
    app = intent(deployment(), placement=Placement(all=True, spread=(Spread("region", min=2),)))
    then = changed(NOW, lost=frozenset({"c"}), regions=frozenset(), added=[])
    assert fate(app, on({"a": 1, "b": 1, "c": 1}), NOW, then).trouble.startswith(
        "spec.placement.spread by region: at least 2 are wanted, 1"
    )
