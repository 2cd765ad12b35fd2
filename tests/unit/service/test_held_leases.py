from datetime import timedelta

from gosynq_server.domain.lease_names import LeaseRef
from gosynq_server.service.held_leases import HeldLeases
from gosynq_server.service.leases import key_of

LENGTH = timedelta(seconds=30)


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def a_lease(number: int = 0, *, seq: int = 1, queue: str = "mail") -> LeaseRef:
    return LeaseRef(job_id=f"01890000-0000-7000-8000-{number:012}", queue=queue, lease_seq=seq)


def test_leases_count_from_their_grant_to_their_end() -> None:
    held = HeldLeases()
    held.hold(a_lease(1), LENGTH)
    held.hold(a_lease(2, queue="other"), LENGTH)
    held.hold(a_lease(1), LENGTH)
    assert (len(held), held.of_queue("mail"), held.of_queue("other"), held.of_queue("none")) == (2, 1, 1, 0)
    held.drop(key_of(a_lease(1)))
    held.drop(key_of(a_lease(1)))
    assert (len(held), held.of_queue("mail"), held.of_job(a_lease(1).job_id)) == (1, 0, None)


def test_the_end_of_an_older_lease_leaves_the_newer_one_of_its_job() -> None:
    held = HeldLeases()
    held.hold(a_lease(seq=1), LENGTH)
    held.hold(a_lease(seq=2), LENGTH)
    held.drop(key_of(a_lease(seq=1)))
    assert held.of_job(a_lease().job_id) == a_lease(seq=2)


def test_a_lease_that_has_surely_run_out_counts_no_more() -> None:
    clock = Clock()
    held = HeldLeases(now=clock)
    held.hold(a_lease(), LENGTH)
    clock.now += 30.5
    held.review()
    assert len(held) == 1
    clock.now += 1
    held.review()
    assert len(held) == 0


def test_a_worker_that_says_nothing_for_most_of_a_lease_is_overdue_until_it_is_heard() -> None:
    clock = Clock()
    held = HeldLeases(now=clock)
    held.hold(a_lease(), LENGTH)
    clock.now += 19
    held.review()
    assert not held.is_overdue
    clock.now += 2
    held.review()
    assert held.is_overdue
    clock.now += 20
    held.review()
    assert (len(held), held.is_overdue) == (0, True)
    held.heard()
    held.review()
    assert not held.is_overdue


def test_a_worker_that_is_heard_may_let_one_lease_lapse() -> None:
    clock = Clock()
    held = HeldLeases(now=clock)
    held.hold(a_lease(1), LENGTH)
    clock.now += 15
    held.heard()
    held.hold(a_lease(2), LENGTH)
    clock.now += 17
    held.review()
    assert (len(held), held.is_overdue) == (1, False)


def test_a_worker_that_holds_nothing_is_never_overdue() -> None:
    clock = Clock()
    held = HeldLeases(now=clock)
    clock.now += 1000
    held.review()
    assert not held.is_overdue
