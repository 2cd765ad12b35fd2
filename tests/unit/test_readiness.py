import json
import os
from pathlib import Path

import pytest

from gosynq_server.readiness import Addresses, remove_ready_file, write_ready_file

ADDRESSES = Addresses(grpc="127.0.0.1:1", http="127.0.0.1:2", metrics="127.0.0.1:3", health="127.0.0.1:4")


def test_the_file_holds_one_object_with_all_addresses(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    path.write_text("what an earlier run left", encoding="utf-8")
    write_ready_file(path, ADDRESSES, version="1.2.3")
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "grpc": "127.0.0.1:1",
        "http": "127.0.0.1:2",
        "metrics": "127.0.0.1:3",
        "health": "127.0.0.1:4",
        "pid": os.getpid(),
        "version": "1.2.3",
    }
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_put_in_place_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_ready_file(path, ADDRESSES, version="1")
    assert list(tmp_path.iterdir()) == [path]


def test_removing_twice_is_harmless(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    write_ready_file(path, ADDRESSES, version="1")
    remove_ready_file(path)
    remove_ready_file(path)
    assert not path.exists()
