"""Whether something new could not be made is looked up once for all that is left out, not once for each."""

from collections.abc import Iterator
from typing import Any, cast

from atoll.api.delivery import Delivery, ObjectOutcome
from atoll.api.intent import Revision
from atoll.api.objects import Key, ObjectId
from atoll.deliver.ledger import Ledger
from atoll.deliver.prune import Pruning
from atoll.kube.objects import Object, of_body
from tests.delivering import configmap

MANY = 300


class Counted(dict[ObjectId, ObjectOutcome]):
    """How many of its keys were looked at."""

    looked = 0

    def __iter__(self) -> Iterator[ObjectId]:
        for key in super().__iter__():
            self.looked += 1
            yield key


class Watches:
    """Of a member, all of whose objects are left out now."""

    def __init__(self) -> None:
        labels = {"atoll.dev/hub": "hub", "atoll.dev/app": "u"}
        bodies = [configmap(f"old-{number}", "before") for number in range(MANY)]
        for body in bodies:
            body["metadata"]["labels"] = labels
        self.objects = [of_body(body) for body in bodies]

    def of(self, _: str) -> list[Object]:
        return self.objects

    def listed(self, *_: Any) -> bool:
        return True

    def get(self, _: ObjectId) -> None:
        return None


async def test_what_moves_to_where_it_cannot_be_made_costs_no_square(monkeypatch: Any) -> None:
    watches = Watches()
    delivery = Delivery(Key("demo", "app"), "u", "c1", Revision(1, "u", 1), ())
    ledger = Ledger(delivery)
    troubled = ledger.troubled = Counted()
    for number in range(MANY):
        key = ObjectId("", "ConfigMap", "after", f"new-{number}")
        troubled[key] = ObjectOutcome(key, "Failed", "QuotaExceeded", "")
    none = cast("Any", None)
    gone: list[Object] = []

    async def let_go(live: Object, *_: Any) -> None:
        gone.append(live)

    pruning = Pruning(none, none, none, cast("Any", watches), none, "hub")
    monkeypatch.setattr(pruning, "_let_go", let_go)
    await pruning.prune(ledger, delivery)
    assert len(gone) == MANY
    assert troubled.looked <= 2 * MANY
