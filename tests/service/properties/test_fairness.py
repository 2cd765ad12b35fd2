"""The bound on what a fairness key gets holds for every span of leases, whatever the sizes of the fetches."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from gosynq_client.worker.leases import Lease, Result
from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.job import JobSpec
from gosynq_server.domain.queue_settings import QueueSettings, QueueUpdate, leaves_of
from tests.service.properties.conftest import Ground
from tests.service.properties.examples import among, pytestmark

__all__ = ["pytestmark"]

weights = st.dictionaries(st.sampled_from(["", "a", "a b", "b", "c", "~"]), st.integers(1, 4), min_size=1, max_size=5)
sizes = st.lists(st.integers(min_value=1, max_value=9), min_size=1, max_size=6)
strangers = st.sets(st.sampled_from(["", "!", "ab", "b!", "d", "~~"]), max_size=3)


@among(15)
@given(weights=weights, before=sizes, after=sizes, strange=strangers, strange_count=st.sampled_from([1, 30]))
def test_while_keys_wait_each_gets_its_weight_of_every_so_many_leases(
    ground: Ground,
    weights: dict[str, int],
    before: list[int],
    after: list[int],
    strange: set[str],
    strange_count: int,
) -> None:
    ground.clear()
    late = max(weights)
    early = {key: weight for key, weight in weights.items() if key != late}
    _put_weights(ground, weights)
    _add(ground, dict.fromkeys(strange, strange_count), kind="other")
    _add(ground, dict.fromkeys(early, sum(before) + sum(after)))
    _check_spans(_lease(ground, before), early, sum(before))
    _add(ground, {late: sum(after)})
    _check_spans(_lease(ground, after), weights, sum(after))


@among(10)
@given(weights=weights, rivals=sizes)
def test_rivals_together_get_each_key_by_its_weight(ground: Ground, weights: dict[str, int], rivals: list[int]) -> None:
    ground.clear()
    _put_weights(ground, weights)
    _add(ground, dict.fromkeys(weights, sum(rivals)))

    got = Counter(_keys(lease for leases in ground.run(_together(ground, rivals)) for lease in leases))

    rounds, begun = divmod(sum(rivals), sum(weights.values()))
    assert got.total() == sum(rivals)
    assert all(weight * rounds <= got[key] <= weight * (rounds + bool(begun)) for key, weight in weights.items())


def _put_weights(ground: Ground, weights: Mapping[str, int]) -> None:
    settings = QueueSettings(fairness_weights=weights)
    update = QueueUpdate(name="q", settings=settings, paths=leaves_of(["*"]), allow_missing=True)
    ground.run(ground.house.queue_verbs.update(update))


def _add(ground: Ground, counts: Mapping[str, int], *, kind: str = "k") -> None:
    specs = [
        JobSpec(queue="q", kind=kind, fairness_key=key, labels={"key": key})
        for key, count in counts.items()
        for _ in range(count)
    ]
    ground.run(ground.house.enqueuer.enqueue_all(specs))


def _lease(ground: Ground, batches: Sequence[int]) -> list[str]:
    """Lease batch after batch, each ending the one before; return the keys in order."""
    held: list[Lease] = []
    leased: list[str] = []
    for size in batches:
        results = [Result(lease=lease, outcome=Succeeded()) for lease in held]
        held = list(ground.run(ground.house.exchange(*results, wanted=size)).leases)
        leased += _keys(held)
    return leased


async def _together(ground: Ground, rivals: Sequence[int]) -> list[list[Lease]]:
    return await asyncio.gather(*(ground.house.lease(size) for size in rivals))


def _keys(leases: Iterable[Lease]) -> list[str]:
    return [lease.labels["key"] for lease in leases]


def _check_spans(leased: Sequence[str], weights: Mapping[str, int], wanted: int) -> None:
    """Assert that all wanted jobs were leased, and that every span as long as all weights has each key as it weighs."""
    assert len(leased) == (wanted if weights else 0)
    span = sum(weights.values())
    for first in range(len(leased) - span + 1):
        assert Counter(leased[first : first + span]) == weights
