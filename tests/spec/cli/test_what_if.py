"""Where an application would be on another fleet."""

import pytest

from atoll.api.placement import Placement
from atoll.api.replicas import Replicas
from atoll.api.status import ApplicationStatus, PlacedCluster
from atoll.cli.exits import CommandError
from atoll.cli.foreseen import changed, fate
from atoll.testing.worlds import cluster, deployment, intent

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
