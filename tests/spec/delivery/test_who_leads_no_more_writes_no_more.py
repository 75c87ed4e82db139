"""A Lease doesn't fence. So who may have lost it asks before each request, and a newer revision is left alone."""

import pytest

from atoll.api.intent import Revision
from atoll.deliver.gate import FencedError, Gate
from atoll.deliver.marks import newer_text


async def test_nothing_is_sent_by_a_process_that_leads_no_more() -> None:
    sent, leading = [], True

    async def call() -> int:
        sent.append(1)
        return len(sent)

    gate = Gate(allowed=lambda: leading)
    assert await gate.send(call) == 1
    leading = False
    with pytest.raises(FencedError, match="leads no more"):
        await gate.send(call)
    assert sent == [1]
    leading = True
    assert await gate.send(call) == 2  # and its turn was given back


def test_what_a_restored_hub_says() -> None:
    said = newer_text(Revision(1, "u", 900), Revision(1, "u", 500))
    assert "1/900" in said
    assert "1/500" in said
    assert "restored from a backup" in said
    assert len(said) < 256  # a status' problem holds all of it
