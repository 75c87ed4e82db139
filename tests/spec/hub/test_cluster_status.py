"""A Cluster's status says what is known, and changes only when that does."""

import pytest

from atoll.api.cluster import Cluster, ClusterMeta, ClusterSpec, ClusterStatus, Connection, Direct, Resources
from atoll.fleet.capacity import Capacity
from atoll.fleet.credentials import Credential
from atoll.fleet.link import Reach
from atoll.hub.cluster_status import build_cluster_status
from atoll.hub.snapshots import cluster_facts

NOW = 1_800_000_000.0
HERE = Reach(True, "Reachable", "", NOW - 60, "uid-1", "v1.36.1")
AWAY = Reach(False, "Refused", "https://10.0.0.1:6443: connection refused", NOW - 60, "uid-1", "v1.36.1")
ROOM = Capacity(3, 3, ("eu-west-1",), ("a", "b"), Resources(12.0, 1 << 30, 300), Resources(1.5, 1 << 20, 4))


def cluster(before: ClusterStatus | None = None, *, region: str = "") -> Cluster:
    spec = ClusterSpec(Connection(Direct("eu-1")), region=region)
    return Cluster(ClusterMeta("eu-1", generation=2), spec, before or ClusterStatus())


def status(of: Cluster, reach: Reach = HERE, room: Capacity | None = ROOM, now: float = NOW) -> ClusterStatus:
    return build_cluster_status(of, reach, room, Credential(managed=True), 0, now)


def conditions(found: ClusterStatus) -> dict[str, tuple[str, str]]:
    return {c.type: (c.status, c.reason) for c in found.conditions}


def test_equal_facts_give_an_equal_status_later() -> None:
    first = status(cluster())
    assert status(cluster(first), now=NOW + 3600) == first


def test_a_transition_is_dated_and_the_rest_keeps_its_date() -> None:
    first = status(cluster())
    lost = status(cluster(first), AWAY, now=NOW + 100)
    dates = {c.type: c.last_transition_time for c in lost.conditions}
    assert conditions(lost)["Reachable"] == ("False", "Refused")
    assert conditions(lost)["Ready"] == ("False", "Refused")
    assert dates["Reachable"] > dates["CredentialManaged"]
    assert lost.uid == "uid-1"
    assert lost.version == "v1.36.1"


@pytest.mark.parametrize(
    ("room", "given", "region", "zone"),
    [
        (ROOM, "", "eu-west-1", ""),  # zones differ: there is no one zone
        (ROOM, "mine", "mine", ""),
        (Capacity(1, 1, ("r",), ("z",)), "", "r", "z"),
        (Capacity(1, 1), "", "", ""),
    ],
)
def test_region_and_zone_come_from_the_nodes_unless_given(room: Capacity, given: str, region: str, zone: str) -> None:
    found = status(cluster(region=given), room=room)
    assert (found.region, found.zone) == (region, zone)


STRETCHED = Capacity(3, 3, ("eu-1", "eu-2"), ("a",))


@pytest.mark.parametrize(
    ("room", "region", "zone"),
    [
        (Capacity(), "eu-1", "a"),  # all nodes are gone for a moment, or until somebody needs one
        (Capacity(3, 3, ("eu-2", "eu-1"), ("a",)), "eu-1", "a"),  # one node less in eu-1 than in eu-2
        (Capacity(1, 1, ("eu-2",), ("b",)), "eu-2", "b"),
        (Capacity(1, 1), "", ""),
    ],
)
def test_a_cluster_stays_in_its_region_while_nodes_come_and_go(room: Capacity, region: str, zone: str) -> None:
    """What is there because of its region would be removed."""
    before = status(cluster(), room=STRETCHED)
    assert (before.region, before.zone) == ("eu-1", "a")
    found = status(cluster(before), room=room)
    assert (found.region, found.zone) == (region, zone)
    facts = cluster_facts(cluster(before), HERE, room, found)
    assert (facts.region, facts.zone) == (region, zone)


def test_a_cluster_whose_nodes_are_all_down_is_reachable_and_not_ready() -> None:
    found = status(cluster(), room=Capacity(2, 0))
    assert conditions(found)["Reachable"] == ("True", "Reachable")
    assert conditions(found)["Ready"] == ("False", "NoReadyNode")


def test_unclaimed_objects_and_an_ending_credential_are_said() -> None:
    credential = Credential(managed=False, issued=NOW - 900, expires=NOW + 10)
    found = build_cluster_status(cluster(), HERE, ROOM, credential, 4, NOW)
    said = conditions(found)
    assert said["Unclaimed"] == ("True", "UnknownApplication")
    assert said["CredentialManaged"] == ("False", "GivenByUser")
    assert said["CredentialExpiring"][0] == "True"


def test_a_credential_that_ends_after_all_dates_is_one_that_has_time() -> None:
    """As where an issuer wrote milliseconds."""
    kept = Credential(managed=False, issued=1.0, expires=1.8e12)
    found = build_cluster_status(cluster(), HERE, ROOM, kept, 0, NOW)
    assert conditions(found)["CredentialExpiring"] == ("False", "Valid")
