"""What a plan adds is reserved until its Pods are there, or for a minute: two applications don't get the same room."""

from atoll.api.cluster import Resources
from atoll.api.objects import Key
from atoll.hub.reservations import LASTS, Reservations, wanted
from atoll.testing.worlds import config, container, deployment

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
    for cluster in ("a", "b", "c"):
        held.hold(cluster, SHOP, HALF, now=0.0)
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
