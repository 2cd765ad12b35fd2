"""The fields of requests beside the options that set them: a server names the first, a person typed the second."""

from __future__ import annotations

import re
from typing import Final

from gosynq_server.cli.queue_flags import FIELDS

_KEYS: Final = "concurrency_key ordering_key fairness_key debounce_key debounce_mode"
_OF_JOB: Final = {
    **{name: name for name in f"queue priority max_retries content_type delay run_at {_KEYS}".split()},
    "idempotency_key": "key",
    "labels": "label",
}
_OF_SCHEDULE: Final = (
    *("cron", "interval", "once", "time_zone", "start_at", "end_at"),
    *("overlap_policy", "catch_up_policy", "jitter", "description"),
)
_OF_BULK: Final = {"target_queue": "to", "selector.filter": "filter"} | {
    name: name for name in ("run_at", "spread", "limit", "reason")
}

_OPTIONS: Final = {
    **{f"queue.{path}": option for option, path in FIELDS.items()},
    **{f"job.{path}": option for path, option in _OF_JOB.items()},
    **{f"schedule.job.{path}": option for path, option in _OF_JOB.items()},
    **{f"schedule.{path}": path for path in _OF_SCHEDULE},
    **_OF_BULK,
}
_PLACE: Final = re.compile(r"\[.*?\]")


def option_of(field: str) -> str:
    """Name the option that sets a field of a request, as a violation names it; empty where none does."""
    option = _OPTIONS.get(_PLACE.sub("", field), "")
    return f"--{option.replace('_', '-')}" if option else ""
