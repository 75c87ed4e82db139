"""What a plan adds is reserved until its Pods are there, or for a minute: two applications don't get the same room."""

import msgspec

from atoll.api.cluster import Resources
from atoll.api.objects import Key
from atoll.api.rooms import Room
from atoll.hub.reservations import LASTS, Reservations, wanted
from atoll.plan.fit import shape_of
from atoll.plan.ground import Ground
from atoll.testing.worlds import cluster, config, container, deployment, fleet, intent

SHOP, CART = Key("demo", "shop"), Key("demo", "cart")
HALF = Resources(0.5, 1 << 20, 1)


def test_what_several_applications_hold_is_added_up() -> None:
    held = Reservations()
    held.hold("a", SHOP, HALF, now=0.0)
    held.hold("a", SHOP, HALF, now=1.0)
    held.hold("a", CART, HALF, now=1.0)
    held.hold("b", CART, HALF, now=1.0)
    assert held.now(2.0) == {"a": Resources(1.5, 3 << 20, 3), "b": HALF}


def test_it_ends_when_the_pods_are_there_when_the_application_goes_and_after_a_minute() -> None:
    held = Reservations()
    for name in ("a", "b", "c"):
        held.hold(name, SHOP, HALF, now=0.0)
    held.hold("c", CART, HALF, now=0.0)
    held.release("a", SHOP)
    assert held.now(1.0).keys() == {"b", "c"}
    held.forget(SHOP)
    assert held.now(1.0) == {"c": HALF}
    assert held.now(LASTS) == {}


def test_what_is_wanted_is_what_the_pods_request() -> None:
    web = deployment("web", container(resources={"requests": {"cpu": "250m", "memory": "1Mi"}}))
    assert wanted((web, config()), {"web": 4, "settings": 2}) == Resources(1.0, 4 << 20, 4)
    assert wanted((web,), {"web": -2}) == Resources()


def test_what_fits_on_no_node_takes_no_room_from_others() -> None:
    """One tenant's Pods of a thousand cores would leave all others without room, though they run nowhere."""
    nodes = (Room({"cpu": 4000, "memory": 8 << 30}, 110),)
    giant, web = (deployment("web", container(resources={"requests": {"cpu": cpu}})) for cpu in ("1000", "1"))
    assert wanted((giant,), {"web": 3}, nodes) == Resources()
    assert wanted((web,), {"web": 100}, nodes) == Resources(4.0, 0, 4)
    beyond = deployment("web", container(resources={"requests": {"cpu": "1e305", "memory": "1e400"}}))
    held = Reservations()
    held.hold("a", SHOP, wanted((beyond,), {"web": 9}), 0.0)
    ground = Ground(intent(), msgspec.structs.replace(fleet(cluster("a", rooms=nodes)), reserved=held.now(1.0)))
    assert ground.rooms(["a"], [shape for shape in (shape_of(web),) if shape]) == {"a": 0}
