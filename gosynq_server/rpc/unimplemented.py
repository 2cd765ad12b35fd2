"""The RPCs of the contract that this server does not answer yet; the generated base classes say UNIMPLEMENTED."""

from __future__ import annotations

UNIMPLEMENTED_RPCS: frozenset[str] = frozenset()
