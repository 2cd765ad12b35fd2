"""How migration files must lie on disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gosynq_server.store import migration_files
from gosynq_server.store.migration_errors import MigrationFileInvalid, MigrationGap, MigrationsMissing
from gosynq_server.store.migration_files import (
    Migration,
    find_migrations_folder,
    load_migrations,
    runs_in_transaction,
)


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text(f"SELECT '{name}';\n")


def test_pairs_are_read_in_order_with_the_checksum_of_what_they_do(tmp_path: Path) -> None:
    write(tmp_path, "0002_b.up.sql", "0002_b.down.sql", "0001_a.up.sql", "0001_a.down.sql", "schema.sql", "README.md")
    first, second = load_migrations(tmp_path)
    assert first == Migration(
        version=1,
        name="a",
        checksum=hashlib.sha256(b"SELECT '0001_a.up.sql';\n").hexdigest(),
        up="SELECT '0001_a.up.sql';\n",
        down="SELECT '0001_a.down.sql';\n",
    )
    assert (second.version, second.name) == (2, "b")


def test_the_checksum_does_not_depend_on_how_lines_end(tmp_path: Path) -> None:
    write(tmp_path, "0001_a.down.sql")
    (tmp_path / "0001_a.up.sql").write_bytes(b"SELECT 1;\r\nSELECT 2;\r\n")
    (migration,) = load_migrations(tmp_path)
    assert migration.checksum == hashlib.sha256(b"SELECT 1;\nSELECT 2;\n").hexdigest()


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["1_a.up.sql", "1_a.down.sql"], r"its name is not NNNN_name\.up\.sql"),
        (["0001_A-b.up.sql", "0001_A-b.down.sql"], r"its name is not NNNN_name\.up\.sql"),
        (["0001_a.up.sql"], r"its \.down\.sql is missing"),
        (["0001_a.up.sql", "0001_b.down.sql"], r"its \.down\.sql is missing"),
        (["0001_a.down.sql"], r"its \.up\.sql is missing"),
        (["0001_a.up.sql", "0001_a.down.sql", "0001_b.up.sql", "0001_b.down.sql"], "the number 1 is not free"),
        (["0000_a.up.sql", "0000_a.down.sql"], "the number 0 is not free"),
    ],
)
def test_files_that_do_not_make_a_sequence_of_pairs_are_refused(tmp_path: Path, names: list[str], problem: str) -> None:
    write(tmp_path, *names)
    with pytest.raises(MigrationFileInvalid, match=problem):
        load_migrations(tmp_path)


def test_a_number_left_out_is_named(tmp_path: Path) -> None:
    write(tmp_path, "0001_a.up.sql", "0001_a.down.sql", "0003_c.up.sql", "0003_c.down.sql")
    with pytest.raises(MigrationGap, match="Migration 2 is missing in"):
        load_migrations(tmp_path)


@pytest.mark.parametrize("sql", ["", "\n", "-- nothing", "-- gosynq:no-transaction\n/* none\n */ ;\n"])
@pytest.mark.parametrize("half", ["up", "down"])
def test_a_half_without_a_statement_is_refused(tmp_path: Path, half: str, sql: str) -> None:
    write(tmp_path, "0001_a.up.sql", "0001_a.down.sql")
    (tmp_path / f"0001_a.{half}.sql").write_text(sql)
    with pytest.raises(MigrationFileInvalid, match=rf"0001_a\.{half}\.sql is wrong: it holds no statement"):
        load_migrations(tmp_path)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("-- gosynq:no-transaction\nSELECT 1;\n", False),
        ("-- gosynq:no-transaction  \nSELECT 1;\n", False),
        ("SELECT 1;\n-- gosynq:no-transaction\n", True),
        ("-- gosynq:no-transactions\n", True),
        ("", True),
    ],
)
def test_only_the_first_line_takes_a_script_out_of_its_transaction(sql: str, expected: bool) -> None:
    assert runs_in_transaction(sql) is expected


def test_the_packaged_folder_comes_before_the_repositorys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged, repository = tmp_path / "packaged", tmp_path / "repository"
    monkeypatch.setattr(migration_files, "_PACKAGED", packaged)
    monkeypatch.setattr(migration_files, "_IN_REPOSITORY", repository)
    with pytest.raises(MigrationsMissing, match=f"{packaged} or {repository}"):
        find_migrations_folder()
    repository.mkdir()
    assert find_migrations_folder() == repository
    packaged.mkdir()
    assert find_migrations_folder() == packaged
