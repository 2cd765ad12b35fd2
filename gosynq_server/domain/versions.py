"""Etags: what tells one state of a thing from another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def etag_of(created_at: datetime, version: int) -> str:
    """Return the etag of a version; the creation tells it from one of the same name that was deleted."""
    return f"{(created_at - _EPOCH) // timedelta(microseconds=1):x}-{version:x}"
