"""What the pool is told where the database is away."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gosynq_client.worker.leases import ProgressReport
from gosynq_client.worker.source import SourceUnavailable
from gosynq_server.pool.source import LocalLeaseSource
from tests.service.house import House


@pytest.fixture
def source(house: House) -> LocalLeaseSource:
    return house.source(among=["another"])


async def test_whatever_needs_the_database_is_refused_while_it_is_away_and_done_later(
    house: House, source: LocalLeaseSource
) -> None:
    lease = await house.started()
    report = ProgressReport(lease=lease, current=1, total=2, message="")
    house.database.hold()
    for call in (
        source.extend([lease]),
        source.report_progress([report]),
        source.wait(timedelta()),
    ):
        with pytest.raises(SourceUnavailable):
            await call
    house.database.admit()
    assert len(await source.extend([lease])) == 1
    await source.report_progress([report])
    await source.wait(timedelta())
