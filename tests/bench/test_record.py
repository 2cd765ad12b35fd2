"""What an adapter's worker reports."""

from __future__ import annotations

import json
from pathlib import Path

from bench.peers.python.adapter import Order, Record

SECOND = 10**9


def _record(report: Path, tuned_for: str) -> Record:
    return Record(order=Order(dsn="", tuned_for=tuned_for, jobs=2, report=str(report)))


def test_nothing_is_reported_before_all_handlers_began(tmp_path: Path) -> None:
    record = _record(tmp_path / "report", "drain")

    record.began(1)

    assert not (tmp_path / "report").exists()


def test_the_first_start_is_reported_once_all_began(tmp_path: Path) -> None:
    record = _record(tmp_path / "report", "drain")

    record.began(1)
    first = record.first
    record.began(1)

    assert json.loads((tmp_path / "report").read_text()) == {"first": first, "waits": []}


def test_waits_are_told_where_they_are_wanted(tmp_path: Path) -> None:
    record = _record(tmp_path / "report", "latency")

    record.began(0)
    record.began(record.first - SECOND)

    waits = json.loads((tmp_path / "report").read_text())["waits"]
    assert waits[0] >= record.first
    assert waits[1] >= SECOND
