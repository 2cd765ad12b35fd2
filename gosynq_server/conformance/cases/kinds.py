"""The kinds of job that a worker under examination has handlers for; see docs/conformance.md."""

from __future__ import annotations

KINDS = frozenset({"echo", "sleep", "long", "fail", "snooze"})
