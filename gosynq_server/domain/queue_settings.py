"""What a queue says of itself, and how an update changes it: field by field, by the contract's paths."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gosynq_server.domain.errors import UpdateMaskInvalid
from gosynq_server.domain.queue import QueueState
from gosynq_server.domain.retry import RetryPolicyOverride
from gosynq_server.domain.versions import etag_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from gosynq_server.domain.job import Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """What a queue says itself; None leaves it to the server, and of a limit it is none."""

    description: str = ""
    max_concurrency: int | None = None
    max_leases_per_second: float | None = None
    lease_burst: int | None = None
    max_pending: int | None = None
    max_payload_bytes: int | None = None
    max_concurrency_per_key: int | None = None
    priority: Priority | None = None
    max_retries: int | None = None
    retry_policy: RetryPolicyOverride | None = None
    lease_duration: timedelta | None = None
    attempt_timeout: timedelta | None = None
    retention: timedelta | None = None
    dead_letter_retention: timedelta | None = None
    max_deliveries: int | None = None
    priority_ageing: timedelta | None = None
    strict_priorities: bool = False
    fairness_weights: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDetails:
    """A queue as it is shown to those who look after it. version rises with every change of its settings and state."""

    name: str
    state: QueueState = QueueState.ACTIVE
    state_reason: str = ""
    state_changed_at: datetime
    settings: QueueSettings = field(default_factory=QueueSettings)
    created_at: datetime
    updated_at: datetime
    version: int = 1

    @property
    def etag(self) -> str:
        """What tells this state of this queue from every other, and from those of one of its name that was deleted."""
        return etag_of(self.created_at, self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueUpdate:
    """A wish to change a queue: what it is to say, and the fields of it that count, as paths of the contract."""

    name: str
    settings: QueueSettings
    paths: frozenset[str]
    etag: str = ""
    allow_missing: bool = False


GROUPS: dict[str, tuple[str, ...]] = {
    "limits": (
        "max_concurrency",
        "max_leases_per_second",
        "lease_burst",
        "max_pending",
        "max_concurrency_per_key",
        "max_payload_bytes",
    ),
    "defaults": (
        "priority",
        "max_retries",
        "lease_duration",
        "attempt_timeout",
        "retention",
        "dead_letter_retention",
        "max_deliveries",
    ),
    "order": ("priority_ageing", "strict_priorities", "fairness_weights"),
}
"""The messages of the contract and their fields, the retry policy apart, which is a message inside one."""

_POLICY = "defaults.retry_policy"
_POLICY_FIELDS = tuple(each.name for each in fields(RetryPolicyOverride))
LEAVES = frozenset(
    {
        "description",
        *(f"{group}.{name}" for group, names in GROUPS.items() for name in names),
        *(f"{_POLICY}.{name}" for name in _POLICY_FIELDS),
    }
)
"""The paths of all that can be updated by itself."""


def leaves_of(paths: Iterable[str]) -> frozenset[str]:
    """Return the paths of the single fields that a mask names, "*" being all; raises UpdateMaskInvalid."""
    return frozenset(leaf for path in paths for leaf in _leaves_under(path))


def _leaves_under(path: str) -> Collection[str]:
    if path == "*":
        return LEAVES
    found = [leaf for leaf in LEAVES if leaf == path or leaf.startswith(f"{path}.")]
    if not found:
        raise UpdateMaskInvalid(path=path)
    return found


def updated(settings: QueueSettings, update: QueueUpdate) -> QueueSettings:
    """Return settings with the fields of an update over them; those that it does not set are cleared."""
    plain = [path.rpartition(".")[2] for path in update.paths if not path.startswith(f"{_POLICY}.")]
    changes = {name: getattr(update.settings, name) for name in plain}
    said = [path.rpartition(".")[2] for path in update.paths if path.startswith(f"{_POLICY}.")]
    policy = _updated_policy(settings.retry_policy, update.settings.retry_policy, said)
    return replace(settings, retry_policy=policy, **changes)


def _updated_policy(
    before: RetryPolicyOverride | None, given: RetryPolicyOverride | None, said: Iterable[str]
) -> RetryPolicyOverride | None:
    nothing = RetryPolicyOverride()
    changes = {name: getattr(given or nothing, name) for name in said}
    policy = replace(before or nothing, **changes)
    return None if policy == nothing else policy
