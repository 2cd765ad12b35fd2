"""The fingerprint of a spec: what must be the same for two enqueues under one key to mean one job."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import orjson

from gosynq_server.domain.job import JSON_CONTENT_TYPE

if TYPE_CHECKING:
    from gosynq_server.domain.job import JobSpec
    from gosynq_server.domain.retry import RetryPolicyOverride

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EMPTY = b"{}"

_LONG_INTEGER = re.compile(rb"[0-9]{19}")
"""What orjson may read as a double, and so might take two different integers for one."""


def fingerprint(spec: JobSpec) -> bytes:
    """Return 32 bytes that are the same for the same spec: SHA-256 over its settings and its payload.

    Every field counts, as it was sent, but idempotency_key, headers (a repeated call has another traceparent) and
    retention. JSON counts by its canonical form: order of members and white space make no difference. The form is
    stored beside keys that outlive a deployment: it never changes.
    """
    settings = (
        spec.queue,
        spec.kind,
        spec.content_type,
        spec.priority,
        spec.max_retries,
        spec.max_deliveries,
        _moment(spec.run_at),
        _length(spec.delay),
        spec.labels and dict(spec.labels),
        _policy(spec.retry_policy),
        _length(spec.lease_duration),
        _length(spec.attempt_timeout),
        _moment(spec.expires_at),
        *_keys(spec),
        *_schedule(spec),
    )
    # The settings are one JSON array and so say where they end: no spec can shift bytes between them and the payload.
    return sha256(orjson.dumps(settings, option=orjson.OPT_SORT_KEYS) + _canonical_payload(spec)).digest()


def _canonical_payload(spec: JobSpec) -> bytes:
    """Return JSON with sorted keys and no spaces; the bytes as they are of what is no JSON or would not survive."""
    payload = spec.payload
    if payload == _EMPTY or spec.content_type != JSON_CONTENT_TYPE or _LONG_INTEGER.search(payload):
        return payload
    try:
        return orjson.dumps(orjson.loads(payload), option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return payload


def _keys(spec: JobSpec) -> tuple[object, ...]:
    """Return the keys of a spec that has any; without them the form is what it was before there were any."""
    keys = (spec.concurrency_key, spec.ordering_key, spec.fairness_key)
    return (keys,) if any(keys) else ()


def _schedule(spec: JobSpec) -> tuple[str, ...]:
    """Return the schedule of a spec that has one; no keys look like it."""
    return (spec.schedule_id,) if spec.schedule_id else ()


def _moment(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


def _length(length: timedelta | None) -> int | None:
    return None if length is None else length // _MICROSECOND


def _policy(policy: RetryPolicyOverride | None) -> tuple[object, ...] | None:
    if policy is None:
        return None
    return (
        policy.strategy,
        _length(policy.initial_backoff),
        policy.multiplier,
        _length(policy.max_backoff),
        policy.jitter,
    )
