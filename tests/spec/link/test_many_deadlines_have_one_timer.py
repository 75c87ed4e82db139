"""Expiry: what was added is called when its time has come, in order, unless it was discarded."""

import asyncio

from atoll.link.expiry import Expiry
from tests.spec.link.ends import eventually


async def test_what_was_discarded_does_not_expire_and_later_ones_wait_for_their_own_time() -> None:
    loop, over = asyncio.get_running_loop(), dict[str, float]()
    expiry: Expiry[str] = Expiry(0.05, lambda item: over.setdefault(item, loop.time()))
    began = {"first": loop.time()}
    expiry.add("first")
    expiry.add("discarded")
    await asyncio.sleep(0.02)
    began["second"] = loop.time()
    expiry.add("second")
    expiry.discard("discarded")
    await eventually(lambda: len(over) == 2)
    assert list(over) == ["first", "second"]
    assert all(over[item] - began[item] >= 0.049 for item in began)
    expiry.add("third")
    await eventually(lambda: "third" in over)


async def test_nothing_expires_after_all_was_cleared() -> None:
    over: list[str] = []
    expiry: Expiry[str] = Expiry(0.01, over.append)
    expiry.add("x")
    expiry.clear()
    other: Expiry[str] = Expiry(0.02, over.append)
    other.add("later")
    await eventually(lambda: "later" in over)
    assert over == ["later"]
