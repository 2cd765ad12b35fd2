"""The judge of limits on a real run over a database in which faults were planted: it has to find each."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Final

import asyncpg
import pytest

from tests.fault.conftest import Chronicle, Execute, Launch
from tests.fault.judging import POOL, client_of
from tests.fault.limited import BOUNDED, CROWDED, HALTED, KEYED, ORDERED, PACED, Limited, queue_worker
from tests.fault.limits import Noun, check_order, check_pauses, check_rates, leases_of
from tests.fault.load import Load
from tests.fault.replicas import Replica
from tests.fault.servers import together
from tests.fault.tables import read_tables

_JOBS = 300

_FAULTS: Final[Mapping[str, Mapping[str, str]]] = {
    "lock_ready": {
        # Nobody waits for a lease of the halted queue that has looked at its state, and some take their time.
        "PERFORM pg_advisory_xact_lock_shared(hashtextextended('gosynq.lease.' || queue_name, 0));": (
            "IF queue_name <> 'halted' THEN"
            " PERFORM pg_advisory_xact_lock_shared(hashtextextended('gosynq.lease.' || queue_name, 0)); END IF;"
        ),
        "is_limited := ": ("PERFORM pg_sleep(random() * 0.5) WHERE queue_name = 'halted'; is_limited := "),
        # Who leases from the crowded queue sees nothing of who leases beside.
        "WHERE queue = queue_name FOR UPDATE;": (
            "WHERE queue = queue_name; PERFORM FROM gosynq.queue_turns"
            " WHERE queue = queue_name AND queue <> 'crowded' FOR UPDATE;"
        ),
        "IF room <= 0 THEN": "PERFORM pg_sleep(0.05) WHERE queue_name = 'crowded'; IF room <= 0 THEN",
        # The rate of the paced queue is reckoned too high by half.
        "cardinality(places) / settings": "cardinality(places) / 1.5 / settings",
    },
    # The keys' running jobs are not counted, and the newest job of an ordering key goes first.
    "admit": {
        "FROM gosynq.running AS rival": "FROM (SELECT * FROM gosynq.running LIMIT 0) AS rival",
        "ORDER BY job.id\n": "ORDER BY job.id DESC\n",
    },
    # A full queue takes one more.
    "take_room": {"granted := least(wanted, allowed - pending);": "granted := least(wanted, 1 + allowed - pending);"},
}

_FINDABLE: Final = {
    (HALTED, Noun.PAUSE),
    (CROWDED, Noun.CONCURRENCY),
    (PACED, Noun.RATE),
    (KEYED, Noun.CONCURRENCY_PER_KEY),
    (ORDERED, Noun.ORDERING),
    (ORDERED, Noun.ORDER),
    (BOUNDED, Noun.PENDING),
}


@pytest.mark.timeout(120)
async def test_a_database_that_goes_over_limits_and_leases_from_a_paused_queue_is_caught(
    launch: Launch, execute: Execute, database_url: str, chronicle: Chronicle, random: Random
) -> None:
    await _plant(database_url)
    replicas = [Replica(f"server-{n}", launch, chronicle, database_url, POOL) for n in range(2)]
    addresses = [replica.address for replica in replicas]
    worker = queue_worker("worker", addresses, execute, chronicle)
    await together([worker.start(), *(replica.start() for replica in replicas)])
    async with client_of(f"ipv4:{','.join(addresses)}") as client:
        load = Load(client=client, journal=chronicle.journal, random=random)
        async with Limited.on(database_url, client, load, random) as limited:
            await limited.run(load.acknowledge(_JOBS))
    await together([worker.stop(), *(replica.stop() for replica in replicas)])
    leases, judge = leases_of(await read_tables(database_url)), limited.sampler.judge
    found = [*judge.found, *check_pauses(limited.pauses), *check_rates(leases, judge.settings)]
    found += check_order(leases, chronicle.read())
    assert {(violation.of, violation.what.partition(":")[0]) for violation in found} == _FINDABLE


async def _plant(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    for name, changes in _FAULTS.items():
        text = await connection.fetchval(
            "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = $1 AND pronamespace = 'gosynq'::regnamespace",
            name,
        )
        for right, wrong in changes.items():
            assert right in text, f"{name} has no {right!r}"
            text = text.replace(right, wrong)
        await connection.execute(text)
    await connection.close()
