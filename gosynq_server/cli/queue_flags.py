"""The options that say what a queue is to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gosynq_server.cli import arguments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gosynq_client import QueueDefaults, QueueLimits, QueueOrder, QueueSettings

# Each option beside the field of the contract that it sets, and that --clear takes back.
FIELDS: Final[Mapping[str, str]] = {
    "description": "description",
    "max-concurrency": "limits.max_concurrency",
    "max-concurrency-per-key": "limits.max_concurrency_per_key",
    "max-leases-per-second": "limits.max_leases_per_second",
    "lease-burst": "limits.lease_burst",
    "max-pending": "limits.max_pending",
    "max-payload-bytes": "limits.max_payload_bytes",
    "priority": "defaults.priority",
    "max-retries": "defaults.max_retries",
    "max-deliveries": "defaults.max_deliveries",
    "backoff-strategy": "defaults.retry_policy.strategy",
    "backoff-initial": "defaults.retry_policy.initial_backoff",
    "backoff-multiplier": "defaults.retry_policy.multiplier",
    "backoff-max": "defaults.retry_policy.max_backoff",
    "backoff-jitter": "defaults.retry_policy.jitter",
    "lease-duration": "defaults.lease_duration",
    "attempt-timeout": "defaults.attempt_timeout",
    "retention": "defaults.retention",
    "dead-letter-retention": "defaults.dead_letter_retention",
    "priority-ageing": "order.priority_ageing",
    "strict-priorities": "order.strict_priorities",
    "fairness-weight": "order.fairness_weights",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitFlags:
    """What a queue may do at most."""

    max_concurrency: Annotated[int | None, typer.Option(metavar="JOBS", help="Jobs that run at once.")] = None
    max_concurrency_per_key: Annotated[
        int | None, typer.Option(metavar="JOBS", help="Jobs of one concurrency key that run at once.")
    ] = None
    max_leases_per_second: Annotated[float | None, typer.Option(metavar="RATE", help="Jobs handed out a second.")] = (
        None
    )
    lease_burst: Annotated[
        int | None, typer.Option(metavar="JOBS", help="Jobs handed out at once after a quiet time.")
    ] = None
    max_pending: Annotated[
        int | None, typer.Option(metavar="JOBS", help="Jobs that wait; enqueues beyond are refused.")
    ] = None
    max_payload_bytes: Annotated[int | None, typer.Option(metavar="BYTES", help="Of one payload.")] = None

    def limits(self) -> QueueLimits:
        """Give what is said, in the client's words."""
        from gosynq_client import QueueLimits  # noqa: PLC0415 - --help shall not wait for gRPC

        return QueueLimits(**{name: getattr(self, name) for name in self.__dataclass_fields__})


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultFlags:
    """What jobs of a queue get that do not say otherwise."""

    priority: Annotated[str, typer.Option(help="Of jobs that say none: low, normal, high or critical.")] = ""
    max_retries: Annotated[int | None, typer.Option(metavar="NUMBER", help="How often to try again.")] = None
    max_deliveries: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="How many leases may end without a word.")
    ] = None
    backoff_strategy: Annotated[str, typer.Option(help="fixed or exponential.")] = ""
    backoff_initial: Annotated[str, typer.Option(metavar="DURATION", help="Before the first retry.")] = ""
    backoff_multiplier: Annotated[float | None, typer.Option(metavar="NUMBER", help="From 1 to 10.")] = None
    backoff_max: Annotated[str, typer.Option(metavar="DURATION", help="The longest delay.")] = ""
    backoff_jitter: Annotated[
        float | None, typer.Option(metavar="NUMBER", help="The part of a delay that is random, 0 to 1.")
    ] = None
    lease_duration: Annotated[str, typer.Option(metavar="DURATION", help="Of a lease without heartbeat.")] = ""
    attempt_timeout: Annotated[str, typer.Option(metavar="DURATION", help="How long an attempt may take.")] = ""
    retention: Annotated[
        str, typer.Option(metavar="DURATION", help="How long completed and cancelled jobs are kept.")
    ] = ""
    dead_letter_retention: Annotated[str, typer.Option(metavar="DURATION", help="How long failed ones are.")] = ""

    def defaults(self) -> QueueDefaults:
        """Give what is said, in the client's words."""
        from gosynq_client import (  # noqa: PLC0415 - --help shall not wait for gRPC
            BackoffStrategy,
            Priority,
            QueueDefaults,
            RetryPolicy,
        )

        return QueueDefaults(
            priority=arguments.word(Priority, self.priority, "--priority"),
            max_retries=self.max_retries,
            max_deliveries=self.max_deliveries,
            retry_policy=RetryPolicy(
                strategy=arguments.word(BackoffStrategy, self.backoff_strategy, "--backoff-strategy"),
                initial_backoff=arguments.duration(self.backoff_initial, "--backoff-initial"),
                multiplier=self.backoff_multiplier,
                max_backoff=arguments.duration(self.backoff_max, "--backoff-max"),
                jitter=self.backoff_jitter,
            ),
            lease_duration=arguments.duration(self.lease_duration, "--lease-duration"),
            attempt_timeout=arguments.duration(self.attempt_timeout, "--attempt-timeout"),
            retention=arguments.duration(self.retention, "--retention"),
            dead_letter_retention=arguments.duration(self.dead_letter_retention, "--dead-letter-retention"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFlags:
    """In which order a queue hands out what waits, and what it is for."""

    priority_ageing: Annotated[
        str, typer.Option(metavar="DURATION", help="How much waiting makes up for one level of priority.")
    ] = ""
    strict_priorities: Annotated[
        bool | None, typer.Option("--strict-priorities/--no-strict-priorities", help="Priorities never age.")
    ] = None
    fairness_weight: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=NUMBER", help="Jobs of this key at each of its turns; repeatable, replaces all."),
    ] = None
    description: Annotated[str, typer.Option(help="For a person.")] = ""

    def order(self) -> QueueOrder:
        """Give what is said, in the client's words."""
        from gosynq_client import QueueOrder  # noqa: PLC0415 - --help shall not wait for gRPC

        return QueueOrder(
            priority_ageing=arguments.duration(self.priority_ageing, "--priority-ageing"),
            strict_priorities=self.strict_priorities,
            fairness_weights=arguments.weights(self.fairness_weight or [], "--fairness-weight") or None,
        )


def queue_settings(limits: LimitFlags, defaults: DefaultFlags, order: OrderFlags) -> QueueSettings:
    """Give all that is said of a queue, in the client's words."""
    said: QueueSettings = {"limits": limits.limits(), "defaults": defaults.defaults(), "order": order.order()}
    return {**said, "description": order.description} if order.description else said


def cleared(names: Sequence[str]) -> list[str]:
    """Read the names of options, or of the contract's fields, that are to be taken back."""
    for name in names:
        if _option_of(name) not in FIELDS and name not in FIELDS.values():
            message = f"{name!r} is nothing that can be cleared; there are {', '.join(FIELDS)}"
            raise typer.BadParameter(message, param_hint="--clear")
    return [FIELDS.get(_option_of(name), name) for name in names]


def _option_of(name: str) -> str:
    return name.removeprefix("--").replace("_", "-")
