"""A URL that can never work is told from a database that is away."""

from __future__ import annotations

import pytest

from gosynq_server.store.connection import DatabaseUnreachable, DatabaseUrlUnusable, open_connection


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("postgresql://u:secret@127.0.0.1:1/d?sslmode=nope", "`sslmode` parameter must be one of"),
        ("postgresql://u:secret@127.0.0.1:x/d", "the driver can't read it"),
        ("postgresql://u:secret/1@127.0.0.1/d", "the driver can't read it"),
        ("postgresql://u:secret@127.0.0.1:1,,h/d", "the driver can't read it"),
        ("postgresql://u:secret@127.0.0.1:-5/d", "the driver can't read it"),
        ("postgresql://u:secret@a..b:1/d", "the driver can't read it"),
    ],
)
async def test_a_url_that_can_never_work_is_told_by_the_settings_name(url: str, problem: str) -> None:
    with pytest.raises(DatabaseUrlUnusable, match=rf"^database_url can't be used: {problem}") as refused:
        async with open_connection(url):
            pass

    assert "secret" not in str(refused.value)


async def test_a_variable_that_the_driver_can_not_read_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "x")
    with pytest.raises(DatabaseUrlUnusable, match="or the PG variables of the environment"):
        async with open_connection("postgresql://u@127.0.0.1/d"):
            pass


@pytest.mark.parametrize("url", ["postgresql://u@127.0.0.1:1/d", "postgresql://u@/d?host=/nowhere"])
async def test_a_database_that_is_away_may_come_back(url: str) -> None:
    with pytest.raises(DatabaseUnreachable):
        async with open_connection(url):
            pass
