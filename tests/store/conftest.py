"""A house for each test that wants one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.service.house import House, open_house


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with open_house(database_url) as opened:
        yield opened
