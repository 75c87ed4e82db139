"""What goes on the wire for a whole delivery. Clusters that get the same objects share one copy."""

import asyncio
import weakref

import msgspec

from atoll.api.application import Retain
from atoll.api.delivery import Delivery
from atoll.api.manner import OWN_MANNER, LatePatch, Manner
from atoll.api.objects import GroupKind, Manifest, ObjectId, split_api_version
from atoll.deliver.autoscalers import HPA, Scaled, target_of
from atoll.deliver.kinds import defined_kind
from atoll.deliver.latepatches import version_after
from atoll.deliver.order import CRD
from atoll.deliver.retain import pointers_for
from atoll.deliver.stamp import Item, Stamper

NO_ONE: frozenset[Scaled] = frozenset()
NO_KINDS: dict[GroupKind, ObjectId] = {}
BREATH = 100
"""Manifests that are worked out before others get a turn."""


class Compiled(msgspec.Struct, frozen=True, weakref=True):
    """The items of a delivery, in its order, and what was found out of them. Made from the first three fields, and
    written in `manner`, with `late` patches.
    """

    objects: tuple[Manifest, ...]
    retain: tuple[Retain, ...]
    protected: frozenset[ObjectId]
    items: dict[ObjectId, Item]
    autoscaled: frozenset[Scaled]
    """Workloads that autoscalers of this very delivery scale."""
    defines: dict[GroupKind, ObjectId]
    """The CRDs of this very delivery, by the kinds that they define."""
    manner: Manner = OWN_MANNER
    late: tuple[LatePatch, ...] = ()

    def serves(self, delivery: Delivery) -> bool:
        """Whether this is what `delivery` comes to, too, of the same application."""
        same = self.objects is delivery.objects and self.retain == delivery.retain
        written = self.manner == delivery.manner and self.late == delivery.late
        return same and written and self.protected == delivery.protected


class Compiler:
    """Works deliveries out for one hub, and remembers what came of them for as long as anybody uses it."""

    def __init__(self, stamper: Stamper) -> None:
        self._stamper = stamper
        self._known: weakref.WeakValueDictionary[tuple[str, int], Compiled] = weakref.WeakValueDictionary()

    async def compile(self, delivery: Delivery) -> Compiled:
        """The items of `delivery`."""
        place = delivery.uid, id(delivery.objects)
        if (known := self._known.get(place)) is not None and known.serves(delivery):
            return known
        items = await self._items(delivery)
        if (known := self._known.get(place)) is not None and known.serves(delivery):
            return known  # another cluster's session was first
        made = self._known[place] = Compiled(
            delivery.objects,
            delivery.retain,
            delivery.protected,
            items,
            frozenset(target_of(item.body, key.namespace) for key, item in items.items() if key.group_kind == HPA)
            or NO_ONE,
            {defined_kind(item.body): key for key, item in items.items() if key.group_kind == CRD} or NO_KINDS,
            delivery.manner,
            delivery.late,
        )
        return made

    async def _items(self, delivery: Delivery) -> dict[ObjectId, Item]:
        items: dict[ObjectId, Item] = {}
        for number, manifest in enumerate(delivery.objects):
            if manifest.id not in delivery.protected:
                item = self._stamper.stamp(
                    manifest,
                    delivery.key,
                    delivery.uid,
                    pointers_for(manifest, delivery.retain),
                    delivery.manner,
                    delivery.late,
                )
                items[manifest.id] = _in_version(item, delivery.late) if delivery.late else item
            if number % BREATH == BREATH - 1:
                await asyncio.sleep(0)
        return items


def _in_version(item: Item, late: tuple[LatePatch, ...]) -> Item:
    """`item` in the version of its kind in which late patches have it written."""
    after = version_after(item.api_version, late)
    if after == item.api_version:
        return item
    _, version = split_api_version(after)
    return msgspec.structs.replace(item, version=version)
