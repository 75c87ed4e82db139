"""The link is tested on the loop that hub and agent have; tests elsewhere run it on asyncio's own."""

from typing import Any

import pytest

from atoll.runtime.loop import Loop


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": Loop}
