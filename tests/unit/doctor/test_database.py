from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest

from gosynq_server.doctor import Verdict
from gosynq_server.doctor.database import judge_clock, judge_database, judge_schema
from gosynq_server.store.diagnosis import Diagnosis
from gosynq_server.store.migrations import SchemaCheck, SchemaState

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SOUND = Diagnosis(
    version="18.1",
    version_number=180001,
    is_standby=False,
    server_time=NOW,
    connections=2,
    settings=MappingProxyType(
        {
            "autovacuum": "on",
            "default_transaction_isolation": "read committed",
            "default_transaction_read_only": "off",
            "fsync": "on",
            "full_page_writes": "on",
            "idle_in_transaction_session_timeout": "0",
            "max_connections": "100",
            "server_encoding": "UTF8",
            "statement_timeout": "0",
            "superuser_reserved_connections": "3",
            "synchronous_commit": "on",
        }
    ),
)


def verdicts(diagnosis: Diagnosis, *, pool_size: int = 10) -> dict[str, Verdict]:
    """Give what is not fine."""
    findings = judge_database(diagnosis, pool_size=pool_size)
    return {finding.check: finding.verdict for finding in findings if finding.verdict is not Verdict.FINE}


def test_a_sound_database_is_fine() -> None:
    assert verdicts(SOUND) == {}


@pytest.mark.parametrize(
    ("number", "found"),
    [
        (140011, {"version": Verdict.WRONG}),
        (150000, {}),
        (180099, {}),
        (190000, {"version": Verdict.WARNING}),
    ],
)
def test_versions_are_judged_by_what_is_tested(number: int, found: dict[str, Verdict]) -> None:
    assert verdicts(replace(SOUND, version_number=number)) == found


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("fsync", "off", {"fsync": Verdict.WRONG}),
        ("full_page_writes", "off", {"full_page_writes": Verdict.WRONG}),
        ("synchronous_commit", "off", {"synchronous_commit": Verdict.WRONG}),
        ("synchronous_commit", "remote_apply", {}),
        ("autovacuum", "off", {"autovacuum": Verdict.WRONG}),
        ("default_transaction_isolation", "serializable", {"isolation": Verdict.WRONG}),
        ("default_transaction_read_only", "on", {"role": Verdict.WRONG}),
        ("server_encoding", "SQL_ASCII", {"encoding": Verdict.WRONG}),
        ("max_connections", "17", {"connections": Verdict.WRONG}),
        ("max_connections", "18", {}),
        ("statement_timeout", "5000", {"timeouts": Verdict.WARNING}),
        ("statement_timeout", "30000", {}),
    ],
)
def test_settings_are_judged(name: str, value: str, found: dict[str, Verdict]) -> None:
    assert verdicts(replace(SOUND, settings={**SOUND.settings, name: value})) == found


def test_a_standby_is_wrong() -> None:
    assert verdicts(replace(SOUND, is_standby=True)) == {"role": Verdict.WRONG}


def test_a_larger_pool_needs_more_room() -> None:
    assert verdicts(SOUND, pool_size=92) == {}
    assert verdicts(SOUND, pool_size=93) == {"connections": Verdict.WRONG}


def test_whatever_is_not_fine_says_what_to_do() -> None:
    broken = replace(
        SOUND,
        version_number=140000,
        is_standby=True,
        settings={name: {"max_connections": "4"}.get(name, "off") for name in SOUND.settings}
        | {"superuser_reserved_connections": "3", "statement_timeout": "1"},
    )
    findings = [finding for finding in judge_database(broken, pool_size=10) if finding.verdict is not Verdict.FINE]
    assert len(findings) >= 9
    assert all(finding.advice for finding in findings)


@pytest.mark.parametrize(
    ("off", "verdict", "message"),
    [
        (timedelta(seconds=1), Verdict.FINE, "this machine's clock is 1.000 s behind"),
        (timedelta(seconds=-1), Verdict.FINE, "this machine's clock is 1.000 s ahead"),
        (timedelta(minutes=5), Verdict.WARNING, "this machine's clock is 300.000 s behind"),
        (timedelta(minutes=-5), Verdict.WARNING, "this machine's clock is 300.000 s ahead"),
    ],
)
def test_the_clock_is_judged_by_the_databases(off: timedelta, verdict: Verdict, message: str) -> None:
    finding = judge_clock(NOW, NOW + off, NOW)
    assert (finding.verdict, finding.message) == (verdict, message)


def test_a_slow_answer_leaves_the_clock_in_doubt() -> None:
    assert judge_clock(NOW, NOW + timedelta(seconds=8), NOW + timedelta(seconds=10)).verdict is Verdict.FINE


@pytest.mark.parametrize(
    ("state", "migrates", "verdict"),
    [
        (SchemaState.CURRENT, False, Verdict.FINE),
        (SchemaState.BEHIND, True, Verdict.FINE),
        (SchemaState.BEHIND, False, Verdict.WRONG),
        (SchemaState.NEWER, True, Verdict.WRONG),
    ],
)
def test_a_schema_is_judged_by_who_brings_it_up(state: SchemaState, migrates: bool, verdict: Verdict) -> None:
    schema = SchemaCheck(state=state, found=1, expected=2)
    assert judge_schema(schema, migrates_itself=migrates).verdict is verdict
