from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fault.factories import good_history, handler_line
from tests.fault.history import Edge, History, Journal, read_history
from tests.fault.servers import ROOT

_WRITER = """
import sys
from pathlib import Path
from tests.fault.factories import handler_line
from tests.fault.history import Edge, Journal

journal = Journal(Path(sys.argv[1]))
for number in range(1, 1001):
    journal.write(handler_line(Edge.START, "job", number, 0.5))
sys.stdout.write("written")
sys.stdout.flush()
sys.stdin.read()
"""


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    history = good_history()
    ours, theirs = Journal(tmp_path / "ours"), Journal(tmp_path / "theirs")
    for asked in history.client:
        ours.write(asked)
    for death in history.deaths:
        ours.write(death)
    for handled in history.handlers:
        theirs.write(handled)
    ours.close()
    theirs.close()
    assert read_history(tmp_path / "ours", tmp_path / "theirs", tmp_path / "missing") == history


def test_a_killed_writer_loses_nothing_that_it_had_written(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, tmp_path / "journal"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.read(7) == b"written"
        writer.send_signal(signal.SIGKILL)
    assert [line.lease_seq for line in read_history(tmp_path / "journal").handlers] == list(range(1, 1001))


def test_an_end_without_a_start_is_no_history() -> None:
    with pytest.raises(ValueError, match="without a start"):
        History(handlers=[handler_line(Edge.END, "job", 1, 0.5)]).runs()


def test_a_second_end_is_no_history() -> None:
    end = handler_line(Edge.END, "job", 1, 0.5)
    with pytest.raises(ValueError, match="ended twice"):
        History(handlers=[handler_line(Edge.START, "job", 1, 0.4), end, handler_line(Edge.END, "job", 1, 0.6)]).runs()
