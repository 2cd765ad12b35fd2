from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from gosynq_server.domain.job import JobStatus
from gosynq_server.domain.lifecycle import EventType
from tests.fault.checker import Invariant
from tests.fault.tables import Tables
from tests.fault.watched import Connection, Seen, check_watches, joined
from tests.fault.watched_factories import cut, good_order, tables_of_order

SEEDS = range(200)


def dropped(order: list[Seen], random: Random) -> None:
    del order[random.randrange(len(order))]


def last_dropped(order: list[Seen], random: Random) -> None:
    del order[-1]


def doubled_at_once(order: list[Seen], random: Random) -> None:
    place = random.randrange(len(order))
    order.insert(place, order[place])


def doubled_later(order: list[Seen], random: Random) -> None:
    place = random.randrange(len(order))
    order.insert(random.randrange(place, len(order)) + 1, order[place])


def told_again_under_another_id(order: list[Seen], random: Random) -> None:
    order.append(replace(random.choice(order), event_id="another"))


def swapped_within_a_job(order: list[Seen], random: Random) -> None:
    job_id = random.choice(order).job_id
    one, other = random.sample([place for place, event in enumerate(order) if event.job_id == job_id], 2)
    order[one], order[other] = order[other], order[one]


def swapped_between_jobs(order: list[Seen], random: Random) -> None:
    places = [place for place, (event, after) in enumerate(pairwise(order)) if event.job_id != after.job_id]
    place = random.choice(places)
    order[place], order[place + 1] = order[place + 1], order[place]


def jobs_one_after_another(order: list[Seen], random: Random) -> None:
    order.sort(key=lambda event: event.job_id, reverse=True)


def invented(order: list[Seen], random: Random) -> None:
    stranger = replace(random.choice(order), event_id="stranger", job_id="stranger", revision=1)
    order.insert(random.randrange(len(order)), stranger)


def status_changed(order: list[Seen], random: Random) -> None:
    place = random.randrange(len(order))
    status = random.choice([status for status in JobStatus if status is not order[place].status])
    order[place] = replace(order[place], status=status)


def type_changed(order: list[Seen], random: Random) -> None:
    place = random.randrange(len(order))
    type_ = random.choice([type_ for type_ in EventType if type_ is not order[place].type])
    order[place] = replace(order[place], type=type_)


def revision_changed(order: list[Seen], random: Random) -> None:
    place = random.randrange(len(order))
    order[place] = replace(order[place], revision=order[place].revision + random.choice((-1, 1, 2)))


SpoilOrder = Callable[[list[Seen], Random], None]

FOR_ONE: list[SpoilOrder] = [
    dropped,
    last_dropped,
    doubled_at_once,
    doubled_later,
    told_again_under_another_id,
    swapped_within_a_job,
    swapped_between_jobs,
    jobs_one_after_another,
    invented,
    status_changed,
    type_changed,
    revision_changed,
]
# What two watchers agree on can only be told from the tables, and these know no order between jobs.
FOR_BOTH = [spoil for spoil in FOR_ONE if spoil not in (swapped_between_jobs, jobs_one_after_another)]


def name_of(spoil: Callable[..., object]) -> str:
    return spoil.__name__


Watches = Mapping[str, Sequence[Connection]]


def watches_of(order: Sequence[Seen], other: Sequence[Seen], random: Random) -> Watches:
    return {"one": cut(order, random), "other": cut(other, random)}


def passing(history: Callable[[Random, list[Seen]], tuple[Watches, Tables]]) -> list[int]:
    """Return the seeds by which a history that is made from a good order passes."""
    found = []
    for seed in SEEDS:
        random = Random(seed)  # noqa: S311 - no secret
        violations = check_watches(*history(random, good_order(random)))
        assert {violation.invariant for violation in violations} <= {Invariant.EVENTS_TELL_ALL}
        found += [] if violations else [seed]
    return found


def test_watches_in_which_all_went_well_pass() -> None:
    assert passing(lambda random, order: (watches_of(order, order, random), tables_of_order(order))) == [*SEEDS]


@pytest.mark.parametrize("seed", range(20))
def test_repeats_at_reconnects_are_taken_out(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - no secret
    order = good_order(random)
    assert joined(cut(order, random)) == order


@pytest.mark.parametrize("spoil", FOR_ONE, ids=name_of)
def test_what_is_spoiled_for_one_watcher_is_caught(spoil: SpoilOrder) -> None:
    def history(random: Random, order: list[Seen]) -> tuple[Watches, Tables]:
        spoiled = list(order)
        spoil(spoiled, random)
        return watches_of(order, spoiled, random), tables_of_order(order)

    assert passing(history) == []


@pytest.mark.parametrize("spoil", FOR_BOTH, ids=name_of)
def test_what_is_spoiled_for_every_watcher_is_caught(spoil: SpoilOrder) -> None:
    def history(random: Random, order: list[Seen]) -> tuple[Watches, Tables]:
        tables = tables_of_order(order)
        spoil(order, random)
        return watches_of(order, order, random), tables

    assert passing(history) == []


def job_lost(tables: Tables, random: Random) -> Tables:
    return replace(tables, jobs=random.sample(tables.jobs, len(tables.jobs) - 1))


def job_in_another_status(tables: Tables, random: Random) -> Tables:
    job, *others = random.sample(tables.jobs, len(tables.jobs))
    status = random.choice([status for status in JobStatus if status is not job.status])
    return replace(tables, jobs=[replace(job, status=status), *others])


def job_changed_once_more(tables: Tables, random: Random) -> Tables:
    job, *others = random.sample(tables.jobs, len(tables.jobs))
    return replace(tables, jobs=[replace(job, revision=job.revision + 1), *others])


def stored_event_lost(tables: Tables, random: Random) -> Tables:
    return replace(tables, events=random.sample(tables.events, len(tables.events) - 1))


@pytest.mark.parametrize(
    "spoil", [job_lost, job_in_another_status, job_changed_once_more, stored_event_lost], ids=name_of
)
def test_tables_that_tell_something_else_are_caught(spoil: Callable[[Tables, Random], Tables]) -> None:
    def history(random: Random, order: list[Seen]) -> tuple[Watches, Tables]:
        return watches_of(order, order, random), spoil(tables_of_order(order), random)

    assert passing(history) == []


def repeated_before_the_cursor(order: Sequence[Seen], place: int) -> list[Connection]:
    return [Connection(begin=0, events=order[:place]), Connection(begin=place, events=order[place - 1 :])]


def left_out_behind_the_cursor(order: Sequence[Seen], place: int) -> list[Connection]:
    return [Connection(begin=0, events=order[:place]), Connection(begin=place, events=order[place + 1 :])]


def repeated_in_another_order(order: Sequence[Seen], place: int) -> list[Connection]:
    again = [order[place], order[place - 1], *order[place + 1 :]]
    return [Connection(begin=0, events=order), Connection(begin=place - 1, events=again)]


def repeated_in_another_order_and_then_right(order: Sequence[Seen], place: int) -> list[Connection]:
    return [*repeated_in_another_order(order, place), Connection(begin=0, events=order)]


def left_out_among_repeats(order: Sequence[Seen], place: int) -> list[Connection]:
    return [Connection(begin=0, events=order), Connection(begin=place - 1, events=order[place:])]


@pytest.mark.parametrize(
    "reconnected",
    [
        repeated_before_the_cursor,
        left_out_behind_the_cursor,
        repeated_in_another_order,
        repeated_in_another_order_and_then_right,
        left_out_among_repeats,
    ],
    ids=name_of,
)
def test_a_reconnect_that_does_not_go_on_at_its_cursor_is_caught(
    reconnected: Callable[[Sequence[Seen], int], list[Connection]],
) -> None:
    def history(random: Random, order: list[Seen]) -> tuple[Watches, Tables]:
        connections = reconnected(order, random.randrange(1, len(order)))
        return {"one": connections, "other": cut(order, random)}, tables_of_order(order)

    assert passing(history) == []
