"""How many examples a property is tried with: few, or as many as PROPERTY_EXAMPLES says."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

WANTED = int(os.environ.get("PROPERTY_EXAMPLES", "0"))

pytestmark = pytest.mark.timeout(0 if WANTED else 60)


def among(few: int, *, steps: int = 50) -> settings:
    """Return the settings of a property that is tried with so few examples where nobody asks for more."""
    return settings(
        max_examples=WANTED or few,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
