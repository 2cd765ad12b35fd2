"""The data directory of the embedded server: which ones it takes, which it refuses and what it then says."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from gosynq_server.embedded import EmbeddedError, EmbeddedPostgres, default_data_dir
from gosynq_server.embedded.errors import (
    DataDirectoryUnreachable,
    DataDirectoryUnusable,
    DataVersionMismatch,
    InitializationFailed,
)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")


async def serves(server: EmbeddedPostgres) -> bool:
    connection = await asyncpg.connect(await server.start())
    try:
        return bool(await connection.fetchval("SELECT true"))
    finally:
        await connection.close()


def found(folder: Path, pattern: str) -> list[Path]:
    return list(folder.glob(pattern))


async def test_folders_that_are_missing_are_made_whatever_the_umask(
    make_server: Callable[..., EmbeddedPostgres], folder: Path
) -> None:
    umask = os.umask(0o077)
    try:
        assert await serves(make_server(folder / "deep" / "down" / "embedded"))
    finally:
        os.umask(umask)
    assert (folder / "deep" / "down" / "embedded" / "data").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "name", ["with space", "ü-%41:80@host", 'it\'s "quoted"', "with,comma", "long-" * 20], ids=range(5)
)
async def test_any_path_will_do(make_server: Callable[..., EmbeddedPostgres], folder: Path, name: str) -> None:
    assert await serves(make_server(folder / name))


async def test_a_path_too_long_for_a_socket_gets_a_private_one_elsewhere_that_is_removed(
    make_server: Callable[..., EmbeddedPostgres], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    server = make_server(folder / ("long-" * 20))
    url = await server.start()
    (sockets,) = found(folder, "gosynq-*")
    assert url.endswith(f"?host={sockets}")
    assert sockets.stat().st_mode & 0o777 == 0o700
    await server.stop()
    assert not sockets.exists()


async def test_where_even_the_private_socket_is_too_long_that_is_said(
    make_server: Callable[..., EmbeddedPostgres], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = folder / ("long-" * 20)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with pytest.raises(EmbeddedError, match="choose a shorter data directory or TMPDIR"):
        await make_server(folder / ("long-" * 21)).start()


async def test_a_fresh_mount_counts_as_empty(make_server: Callable[..., EmbeddedPostgres], folder: Path) -> None:
    (folder / "mount" / "lost+found").mkdir(parents=True)
    assert await serves(make_server(folder / "mount"))


async def test_a_file_is_refused(make_server: Callable[..., EmbeddedPostgres], folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(DataDirectoryUnusable, match="Not a directory: choose another folder, or give a database URL"):
        await make_server(folder / "file").start()
    with pytest.raises(DataDirectoryUnusable, match="Not a directory"):
        await make_server(folder / "file" / "below").start()


async def test_a_folder_with_something_else_in_it_is_refused_and_left_alone(
    make_server: Callable[..., EmbeddedPostgres], folder: Path
) -> None:
    (folder / "thesis").mkdir()
    (folder / "thesis" / "chapter.txt").write_text("")
    with pytest.raises(DataDirectoryUnusable, match="it is not empty and not ours"):
        await make_server(folder / "thesis").start()
    assert [path.name for path in (folder / "thesis").iterdir()] == ["chapter.txt"]


async def test_the_data_of_another_postgresql_is_refused(
    make_server: Callable[..., EmbeddedPostgres], folder: Path
) -> None:
    (folder / "foreign").mkdir()
    (folder / "foreign" / "PG_VERSION").write_text("18\n")
    with pytest.raises(DataDirectoryUnusable, match="the data of a PostgreSQL that is not ours"):
        await make_server(folder / "foreign").start()


async def test_a_folder_that_cannot_be_written_is_refused(make_server: Callable[..., EmbeddedPostgres]) -> None:
    with pytest.raises(DataDirectoryUnusable, match="cannot be used, /proc/"):
        await make_server(Path("/proc/embedded")).start()


async def test_data_of_another_version_is_refused_with_advice(server: EmbeddedPostgres, folder: Path) -> None:
    assert await serves(server)
    await server.stop()
    (folder / "embedded" / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(DataVersionMismatch, match="but 18 is here: dump it with 17 and restore it into a new folder"):
        await server.start()


async def test_data_without_a_version_is_refused(server: EmbeddedPostgres, folder: Path) -> None:
    assert await serves(server)
    await server.stop()
    (folder / "embedded" / "data" / "PG_VERSION").unlink()
    with pytest.raises(DataDirectoryUnusable, match="PG_VERSION: No such file or directory"):
        await server.start()


async def test_an_unfinished_cluster_of_a_killed_start_is_thrown_away(
    fresh_server: EmbeddedPostgres, folder: Path
) -> None:
    (folder / "embedded" / "data.new-abc" / "base").mkdir(parents=True)
    (folder / "embedded" / "owner.lock").write_text("1\n")
    assert await serves(fresh_server)
    assert not found(folder / "embedded", "data.new-*")


async def test_a_cluster_that_cannot_be_made_is_told_with_the_reason_and_leaves_no_half(
    fresh_server: EmbeddedPostgres, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def options(**_: object) -> list[str]:
        return ["--encoding=NONSENSE"]

    monkeypatch.setattr("gosynq_server.embedded.cluster.initialization_options", options)
    with pytest.raises(InitializationFailed, match='"NONSENSE" is not a valid server encoding name'):
        await fresh_server.start()
    assert not (folder / "embedded" / "data").exists()
    monkeypatch.undo()
    assert await serves(fresh_server)


@as_root
async def test_a_folder_that_the_servers_user_cannot_enter_is_refused_and_its_parents_stay_private(
    make_server: Callable[..., EmbeddedPostgres], folder: Path
) -> None:
    (folder / "home").mkdir(mode=0o700)
    with pytest.raises(DataDirectoryUnreachable, match="choose a folder outside private homes"):
        await make_server(folder / "home" / "embedded").start()
    assert (folder / "home").stat().st_mode & 0o777 == 0o700


@as_root
async def test_data_that_belongs_to_another_user_is_refused(server: EmbeddedPostgres, folder: Path) -> None:
    assert await serves(server)
    await server.stop()
    shutil.chown(folder / "embedded" / "data", user=12345)
    with pytest.raises(DataDirectoryUnusable, match="it belongs to user id 12345"):
        await server.start()


def test_the_default_is_the_systems_state_folder_for_root_and_the_users_for_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert default_data_dir() == Path("/var/lib/gosynq/embedded")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert default_data_dir() == Path("/home/ada/.local/state/gosynq/embedded")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_data_dir() == Path("/state/gosynq/embedded")
