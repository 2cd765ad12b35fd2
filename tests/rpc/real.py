"""The real service layer as what the servicers call."""

from __future__ import annotations

from gosynq_server.rpc.server import Services
from tests.rpc.scripted import INFO
from tests.service.house import House


def services_of(house: House) -> Services:
    """Let a house serve."""
    return Services(
        enqueuer=house.enqueuer,
        jobs=house.jobs,
        bulk_jobs=house.bulk_jobs,
        dead_letters=house.dead_letters,
        watches=house.watches,
        event_pages=house.event_pages,
        workers=house.workers,
        roster=house.roster,
        schedules=house.schedules,
        queues=house.queue_verbs,
        queue_removal=house.queue_removal,
        info=INFO,
    )
