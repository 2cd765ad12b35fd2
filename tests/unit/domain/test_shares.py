from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from gosynq_server.domain.shares import Turns


def taken_one_by_one(turns: Turns, queues: Sequence[str], count: int) -> list[str]:
    taken = []
    for _ in range(count):
        first = turns.order(queues)[0]
        turns.took(first, 1)
        taken.append(first)
    return taken


def test_shares_hold_where_jobs_are_taken_one_by_one() -> None:
    taken = taken_one_by_one(Turns({"high": 3, "low": 1}), ["low", "high"], 40)
    assert Counter(taken) == {"high": 30, "low": 10}
    assert all(Counter(taken[start : start + 4])["low"] == 1 for start in range(0, 40, 4))


def test_a_queue_that_had_nothing_to_give_has_nothing_to_make_up_for() -> None:
    turns = Turns({})
    taken_one_by_one(turns, ["busy"], 1000)
    assert Counter(taken_one_by_one(turns, ["busy", "idle"], 10)) == {"busy": 5, "idle": 5}


def test_a_queue_that_gave_many_at_once_waits_until_the_others_have_had_as_many() -> None:
    turns = Turns({"high": 3})
    turns.took("high", 30)
    assert taken_one_by_one(turns, ["high", "low"], 10) == ["low"] * 10


def test_what_gave_nothing_stays_where_it_was() -> None:
    turns = Turns({})
    turns.took("a", 0)
    assert turns.order(["a", "b"]) == ["a", "b"]


def test_no_more_is_remembered_of_queues_that_come_and_go_than_what_counts() -> None:
    turns = Turns({})
    for number in range(2000):
        turns.took(f"queue-{number}", 1)
        turns.took("steady", 1)
    assert len(turns._finish) < 600  # noqa: SLF001 - what is held cannot be seen otherwise
    assert turns.order(["steady", "new"]) == ["new", "steady"]


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 50), min_size=2))
def test_over_a_whole_round_every_queue_has_its_weight(weights: dict[str, int]) -> None:
    whole = sum(weights.values())
    taken = Counter(taken_one_by_one(Turns(weights), sorted(weights), whole * 4))
    assert all(abs(taken[queue] - 4 * weight) <= 1 for queue, weight in weights.items())
