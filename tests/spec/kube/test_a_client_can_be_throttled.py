"""Requests are spaced out where an API server must be spared."""

import pytest

from atoll.kube.client import Client
from atoll.kube.resources import NAMESPACES
from atoll.kube.throttle import Bucket, throttled
from atoll.testing.fakeapi import FakeApi


def test_a_burst_goes_at_once_and_then_each_waits_for_its_turn() -> None:
    now = 100.0
    bucket = Bucket(10, 3, lambda: now)
    assert [bucket.take() for _ in range(5)] == pytest.approx([0, 0, 0, 0.1, 0.2])
    now += 0.2  # the two that wait have gone by then
    assert bucket.take() == pytest.approx(0.1)
    now += 60  # what is saved up is a burst, not more
    assert [bucket.take() for _ in range(4)] == pytest.approx([0, 0, 0, 0.1])


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_bucket_that_never_fills_is_refused(rate: float, burst: int) -> None:
    with pytest.raises(ValueError):
        Bucket(rate, burst)


async def test_a_throttled_client_works_all_the_same() -> None:
    async with FakeApi() as api, Client(api.config, transport=throttled(1000, 1)) as client:
        await client.create(NAMESPACES, {"metadata": {"name": "a"}})
        assert "a" in {live.name for live in (await client.list(NAMESPACES)).items}
