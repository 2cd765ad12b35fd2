"""What a server says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """What a server is, and its limits: bytes of a message and of a payload, and how long keys and events are kept."""

    version: str
    server_id: str
    server_time: datetime
    max_message_bytes: int
    max_payload_bytes: int
    idempotency_window: timedelta
    event_retention: timedelta
    features: tuple[str, ...]
