"""Which jobs a caller wants listed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, TypedDict

if TYPE_CHECKING:
    from gosynq_client.jobs import JobStatus, Priority

# No Sequence[str]: a lone str is one as well, and would be taken for a list of its letters.
Names: TypeAlias = list[str] | tuple[str, ...] | frozenset[str]


class JobFilters(TypedDict, total=False):
    """Conditions on jobs, joined by AND; the values of one by OR. Nothing said: every job, newest first.

    `filter` is an expression such as `labels.tenant = "acme" AND attempt > 1`; ListJobsRequest in the contract tells
    its grammar. `oldest_first` turns the order round. `full` brings payloads, results, headers and stack traces too.
    `page_size` is how many jobs one call asks for: 50 unless said, 1000 at most.
    """

    statuses: list[JobStatus] | tuple[JobStatus, ...] | frozenset[JobStatus]
    queues: Names
    kinds: Names
    priorities: list[Priority] | tuple[Priority, ...] | frozenset[Priority]
    filter: str
    oldest_first: bool
    full: bool
    page_size: int
