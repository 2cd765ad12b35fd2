"""Cursors: positions among the events, as text that is opaque to callers."""

from __future__ import annotations

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from hashlib import sha256

from gosynq_server.domain.errors import CursorInvalid
from gosynq_server.domain.event import Position

# A version, how many (node, tick, row, place, made_at) follow, and the one that there is on plain PostgreSQL.
_FORM = struct.Struct(">BBHQQIQ")
_VERSION, _NODES, _NODE = 1, 1, 0
_CHECK_BYTES = 4
_STORE_MAX = 2**63 - 1


# Watchers that are up to date stand at the same position.
@lru_cache(maxsize=1024)
def encode_cursor(position: Position) -> str:
    """Return the cursor of a position: 48 characters that need no escape in a URL."""
    content = _FORM.pack(_VERSION, _NODES, _NODE, *position)
    return urlsafe_b64encode(content + _check(content)).decode()


def decode_cursor(cursor: str) -> Position:
    """Return the position of a cursor; raise CursorInvalid for what encode_cursor did not write."""
    try:
        content = urlsafe_b64decode(cursor)[: _FORM.size]
        _, _, _, *place = _FORM.unpack(content)
        position = Position(*place)
    except (ValueError, struct.error):
        raise CursorInvalid from None
    # The check has no secret in it, so a position may be made up.
    if encode_cursor(position) != cursor or max(position) > _STORE_MAX:
        raise CursorInvalid
    return position


def _check(content: bytes) -> bytes:
    return sha256(content).digest()[:_CHECK_BYTES]
