"""Lengths of time inside JSON columns: seconds, as numbers."""

from __future__ import annotations

from datetime import timedelta


def seconds_of(length: timedelta | None) -> float | None:
    """Write a length."""
    return None if length is None else length.total_seconds()


def timedelta_of(seconds: float | None) -> timedelta | None:
    """Read a length."""
    return None if seconds is None else timedelta(seconds=seconds)
