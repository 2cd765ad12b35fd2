"""Moments and lengths of time, between the contract's messages and Python's own types."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(moment: datetime | None) -> Timestamp | None:
    """Give the message for an aware moment.

    Raises ValueError for one without a time zone, which names no moment, and for one that UTC has no year for.
    """
    if moment is None:
        return None
    if moment.utcoffset() is None:
        raise ValueError(f"{moment.isoformat()} has no time zone; datetime.now(UTC) has one")
    message = Timestamp()
    try:
        message.FromDatetime(moment)
    except OverflowError as error:
        raise ValueError(f"{moment.isoformat()} is not in the years 1 to 9999 of UTC") from error
    return message


def duration(length: timedelta | None) -> Duration | None:
    """Give the message for a length of time."""
    if length is None:
        return None
    message = Duration()
    message.FromTimedelta(length)
    return message


def moment_of(message: Timestamp) -> datetime:
    """Give the moment, aware and in UTC; the parts below a microsecond are cut."""
    return message.ToDatetime(tzinfo=UTC)
