from gosynq_client.remote.open_leases import OpenLeases
from tests.unit.worker.memory_source import a_lease, leases


def test_what_comes_waits_and_what_is_taken_stays_open() -> None:
    held, (first, second) = OpenLeases(), leases(2)
    held.come(first)
    held.come(second)
    assert (held.waiting, len(held)) == ([first, second], 2)
    assert held.take() == [first, second]
    assert (held.waiting, held.take(), held.all()) == ([], [], [first, second])


def test_a_lease_that_comes_twice_is_handed_out_once() -> None:
    held, [lease] = OpenLeases(), leases(1)
    held.come(lease)
    assert held.take() == [lease]
    held.come(lease)
    assert (held.waiting, len(held)) == ([], 1)


def test_a_newer_lease_of_a_job_stands_for_it() -> None:
    held, old, new = OpenLeases(), a_lease(lease_token="1.mail"), a_lease(lease_token="2.mail")
    held.come(old)
    held.come(new)
    assert (held.waiting, held.holds(old), held.holds(new)) == ([new], False, True)
    held.forget([old])
    assert held.all() == [new]


def test_what_is_forgotten_is_handed_out_no_more() -> None:
    held, (first, second) = OpenLeases(), leases(2)
    held.come(first)
    held.come(second)
    held.forget([first, a_lease(job_id="stranger")])
    assert (held.take(), held.all()) == ([second], [second])


def test_a_doubtful_lease_waits_until_it_is_trusted_or_forgotten() -> None:
    held, (sure, doubtful, lost) = OpenLeases(), leases(3)
    held.come(sure)
    held.come(doubtful, doubtful=True)
    held.come(lost, doubtful=True)
    assert (held.take(), held.doubtful) == ([sure], [doubtful, lost])
    held.forget([lost])
    held.trust([doubtful, lost])
    assert (held.take(), held.doubtful, held.all()) == ([doubtful], [], [sure, doubtful])
