"""A house for each test, its tables checked at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.service.house import House, open_house
from tests.service.invariants import check_invariants


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    """Give a server's operations; whatever a test did, the invariants hold after it."""
    async with open_house(database_url) as opened:
        yield opened
        await check_invariants(opened.sql)


@pytest.fixture
async def elsewhere(house: House) -> AsyncIterator[House]:
    """Give another server over the same database, which hears nothing of this one."""
    async with open_house(house.url) as opened:
        yield opened
