"""What all tests share."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Atoll runs on asyncio alone; session scope lets wider fixtures be async, too."""
    return "asyncio"
