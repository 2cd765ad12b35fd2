"""A worker's settings."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gosynq_client.worker import RuntimeOptions


@pytest.mark.parametrize(
    "wrong",
    [
        {"concurrency": 0},
        {"prefetch_limit": -1},
        {"poll_interval": timedelta(0)},
        {"grace": timedelta(seconds=-1)},
        {"settle_time": timedelta(seconds=-1)},
        {"thread_grace": timedelta(seconds=-1)},
    ],
    ids=str,
)
def test_a_setting_without_sense_is_refused_by_its_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RuntimeOptions(**wrong)
