"""Page tokens: where a list goes on, bound to the list that it belongs to."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from struct import Struct
from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from gosynq_server.domain.errors import PageTokenInvalid
from gosynq_server.domain.event import Position
from gosynq_server.domain.job import JobId

if TYPE_CHECKING:
    from gosynq_server.domain.bulk import BulkQuery
    from gosynq_server.domain.listing import DeadLetterQuery, JobQuery
    from gosynq_server.domain.watching import EventQuery

_VERSION = b"\x01"
_ID_BYTES = 16
_SEQUENCE_BYTES = 4
_CHECK_BYTES = 13  # with an id 30 bytes, a sequence 18, a position 42: base64 needs no padding
_SEQUENCE_MAX = 2**31 - 1
_STORE_MAX = 2**63 - 1
_POSITION = Struct(">QQIQ")
_MOMENT = Struct(">xq16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def query_digest(query: JobQuery) -> bytes:
    """Return 32 bytes that stand for which jobs are asked for, in what order; not for how many or how much of each."""
    conditions = (
        "jobs",
        query.statuses,
        query.queues,
        query.kinds,
        query.priorities,
        query.filter,
        query.newest_first,
    )
    return sha256(orjson.dumps(conditions)).digest()


def attempts_digest(job_id: JobId) -> bytes:
    """Return 32 bytes that stand for the attempts of one job."""
    return sha256(orjson.dumps(("attempts", job_id))).digest()


def events_digest(query: EventQuery) -> bytes:
    """Return 32 bytes that stand for which events are asked for."""
    wanted = query.wanted
    conditions = (
        "events",
        sorted(wanted.queues),
        sorted(wanted.types),
        sorted(wanted.job_ids),
        sorted(wanted.kinds),
        sorted(wanted.priorities),
        sorted(wanted.labels),
        wanted.not_before,
        wanted.before,
    )
    return sha256(orjson.dumps(conditions)).digest()


def workers_digest(queue: str) -> bytes:
    """Return 32 bytes that stand for which workers are asked for."""
    return sha256(orjson.dumps(("workers", queue))).digest()


def schedules_digest() -> bytes:
    """Return 32 bytes that stand for all schedules."""
    return sha256(orjson.dumps(("schedules",))).digest()


def bulk_digest(verb: str, query: BulkQuery) -> bytes:
    """Return 32 bytes that stand for what is done with which jobs."""
    return sha256(orjson.dumps(("bulk", verb, sorted(set(query.job_ids)), query.filter))).digest()


def dead_letters_digest(query: DeadLetterQuery) -> bytes:
    """Return 32 bytes that stand for which dead letters are asked for."""
    conditions = ("dead letters", query.queues, query.kinds, query.error_type, query.start_at, query.end_at)
    return sha256(orjson.dumps(conditions)).digest()


def encode_moment_token(digest: bytes, moment: datetime, last_id: JobId) -> str:
    """Return the token of the page that begins behind a job of a moment; 52 characters."""
    return _sealed(digest, _MOMENT.pack((moment - _EPOCH) // _MICROSECOND, UUID(last_id).bytes))


def decode_moment_token(token: str, digest: bytes) -> tuple[datetime, JobId]:
    """Return the moment and the job that the page begins behind; raise PageTokenInvalid as decode_token does."""
    microseconds, job_id = _MOMENT.unpack(_opened(token, digest, _MOMENT.size))
    try:
        return _EPOCH + microseconds * _MICROSECOND, JobId(str(UUID(bytes=job_id)))
    except OverflowError:
        raise PageTokenInvalid from None


def encode_token(digest: bytes, last_id: JobId) -> str:
    """Return the token of the page that begins behind a job; 40 characters that need no escape in a URL."""
    return _sealed(digest, UUID(last_id).bytes)


def decode_token(token: str, digest: bytes) -> JobId:
    """Return the job that the page begins behind; raise PageTokenInvalid for another list's token or a changed one."""
    return JobId(str(UUID(bytes=_opened(token, digest, _ID_BYTES))))


def encode_sequence_token(digest: bytes, last_sequence: int) -> str:
    """Return the token of the page that begins behind an attempt, named by its lease_seq; 24 characters."""
    return _sealed(digest, last_sequence.to_bytes(_SEQUENCE_BYTES, "big"))


def decode_sequence_token(token: str, digest: bytes) -> int:
    """Return the lease_seq that the page begins behind; raise PageTokenInvalid as decode_token does."""
    sequence = int.from_bytes(_opened(token, digest, _SEQUENCE_BYTES), "big")
    if sequence > _SEQUENCE_MAX:
        raise PageTokenInvalid
    return sequence


def encode_position_token(digest: bytes, position: Position) -> str:
    """Return the token of the page of events that begins at a position; 56 characters."""
    return _sealed(digest, _POSITION.pack(*position))


def decode_position_token(token: str, digest: bytes) -> Position:
    """Return the position that the page begins at; raise PageTokenInvalid as decode_token does."""
    position = Position(*_POSITION.unpack(_opened(token, digest, _POSITION.size)))
    if max(position) > _STORE_MAX:
        raise PageTokenInvalid
    return position


def encode_name_token(digest: bytes, last_name: str) -> str:
    """Return the token of the page that begins behind a worker or a schedule, named by its id."""
    return _sealed(digest, last_name.encode())


def decode_name_token(token: str, digest: bytes) -> str:
    """Return the name that the page begins behind; raise PageTokenInvalid as decode_token does."""
    try:
        name = urlsafe_b64decode(token)[len(_VERSION) : -_CHECK_BYTES]
        return _opened(token, digest, len(name)).decode()
    except ValueError:
        raise PageTokenInvalid from None


def _sealed(digest: bytes, position: bytes) -> str:
    check = sha256(_VERSION + digest + position).digest()[:_CHECK_BYTES]
    return urlsafe_b64encode(_VERSION + position + check).decode()


def _opened(token: str, digest: bytes, position_bytes: int) -> bytes:
    """Return the position in a token that reads exactly as this list would have written it.

    The check has no secret in it: it catches mistakes, and a position made up by a caller shows nothing that the list
    itself would not.
    """
    try:
        position = urlsafe_b64decode(token)[len(_VERSION) : len(_VERSION) + position_bytes]
    except ValueError:
        raise PageTokenInvalid from None
    # Compared as text, so that another version, length, list, check or spelling of the same bytes all show here.
    if len(position) != position_bytes or _sealed(digest, position) != token:
        raise PageTokenInvalid
    return position
