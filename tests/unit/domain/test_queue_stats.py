import pytest

from gosynq_server.domain.queue_stats import SPLIT_BOUND, SplitSeen, split

MANY = SPLIT_BOUND + 1


@pytest.mark.parametrize(
    ("pending", "seen", "expected"),
    [
        (0, SplitSeen(not_due=0, due=0, not_due_before=None), (0, 0)),
        (1_000_000, SplitSeen(not_due=5, due=None, not_due_before=900), (999_995, 5)),
        (1_000_000, SplitSeen(not_due=MANY, due=7, not_due_before=None), (7, 999_993)),
        (1_000_000, SplitSeen(not_due=MANY, due=None, not_due_before=400_000), (600_000, 400_000)),
        (1_000_000, SplitSeen(not_due=MANY, due=None, not_due_before=None), (1_000_000 - MANY, MANY)),
        (30_000, SplitSeen(not_due=MANY, due=None, not_due_before=900_000), (SPLIT_BOUND, 20_000)),
        (30_000, SplitSeen(not_due=MANY, due=None, not_due_before=3), (20_000, SPLIT_BOUND)),
        (-1, SplitSeen(not_due=0, due=0, not_due_before=None), (0, 0)),
    ],
)
def test_pending_jobs_are_split_by_the_side_that_could_be_counted(
    pending: int, seen: SplitSeen, expected: tuple[int, int]
) -> None:
    assert split(pending, seen) == expected
    assert sum(expected) == max(pending, 0)
