from math import inf

from gosynq_client.remote.open_leases import OpenLeases
from tests.unit.worker.memory_source import a_lease, leases

NOW = 1000.0


def test_what_comes_waits_and_what_is_taken_stays_open() -> None:
    held, (first, second) = OpenLeases(), leases(2)
    held.come(first, NOW)
    held.come(second, NOW)
    assert (held.waiting, len(held)) == ([first, second], 2)
    assert held.take(NOW) == [first, second]
    assert (held.waiting, held.take(NOW), held.all()) == ([], [], [first, second])


def test_a_lease_that_comes_twice_is_handed_out_once() -> None:
    held, [lease] = OpenLeases(), leases(1)
    held.come(lease, NOW)
    assert held.take(NOW) == [lease]
    held.come(lease, NOW)
    assert (held.waiting, len(held)) == ([], 1)


def test_a_newer_lease_of_a_job_stands_for_it() -> None:
    held, old, new = OpenLeases(), a_lease(lease_token="1.mail"), a_lease(lease_token="2.mail")
    held.come(old, NOW)
    held.come(new, NOW)
    assert (held.waiting, held.holds(old), held.holds(new)) == ([new], False, True)
    held.forget([old])
    assert held.all() == [new]


def test_what_is_forgotten_is_handed_out_no_more() -> None:
    held, (first, second) = OpenLeases(), leases(2)
    held.come(first, NOW)
    held.come(second, NOW)
    held.forget([first, a_lease(job_id="stranger")])
    assert (held.take(NOW), held.all()) == ([second], [second])


def test_a_late_lease_is_doubtful_until_it_is_trusted_or_forgotten() -> None:
    held, (sure, late, lost) = OpenLeases(), leases(3)
    held.come(sure, NOW)
    held.come(late, -inf)
    held.come(lost, -inf)
    assert (held.take(NOW), held.doubtful(NOW), held.came_late(late)) == ([sure], [late, lost], True)
    held.forget([lost])
    held.trust([late, lost], NOW)
    assert (held.came_late(late), held.came_late(sure), held.came_late(lost)) == (False, False, False)
    assert (held.doubtful(NOW), held.take(NOW), held.all()) == ([], [late], [sure, late])


def test_a_lease_that_waits_beyond_its_time_is_doubtful_until_it_is_extended() -> None:
    held, [lease] = OpenLeases(), leases(1)
    held.come(lease, NOW)
    assert (held.doubtful(NOW + 29), held.doubtful(NOW + 30), held.take(NOW + 30)) == ([], [lease], [])
    held.trust([lease], NOW + 25)
    assert (held.doubtful(NOW + 54), held.take(NOW + 54)) == ([], [lease])


def test_leases_are_told_with_the_moment_from_which_all_have_their_time() -> None:
    held, (first, second) = OpenLeases(), leases(2)
    held.come(first, NOW)
    held.come(second, NOW + 1)
    assert held.granted_at(held.take(NOW)) == NOW
    assert held.granted_at([]) is None
