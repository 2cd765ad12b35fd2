"""Many jobs at once: which, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, TypeVar

from gosynq.v1 import job_service_pb2
from gosynq_client.checked_options import check_options

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from gosynq_client.listing import Names

_SAMPLE = 100


class _BulkRequest(Protocol):
    page_token: str


_Request = TypeVar("_Request", bound=_BulkRequest)


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkSummary:
    """What bulk calls did so far, or would do.

    `skipped` were left, being in another state, or gone. `more` says that there may be more, and `next_page_token`
    where to go on then; `sample_job_ids` are up to 100 of the affected ones.
    """

    affected: int
    skipped: int = 0
    more: bool = False
    sample_job_ids: tuple[str, ...] = ()
    next_page_token: str = ""

    def followed_by(self, later: BulkSummary) -> BulkSummary:
        """Give the sum of both."""
        return BulkSummary(
            affected=self.affected + later.affected,
            skipped=self.skipped + later.skipped,
            more=later.more,
            sample_job_ids=(*self.sample_job_ids, *later.sample_job_ids)[:_SAMPLE],
            next_page_token=later.next_page_token,
        )


class BulkOptions(TypedDict, total=False):
    """Which jobs, either by `job_ids` (1000 at most) or by a `filter` such as `queue = "mail" AND attempt > 1`.

    ListJobsRequest in the contract tells the filter's grammar; `id != ""` is all. One call handles `limit` jobs at
    most, 1000 unless said, 10000 at most. `validate_only` says what would be done, and does nothing. `page_token`
    goes on where an earlier run of the same selection came to.
    """

    job_ids: Names
    filter: str
    limit: int
    validate_only: bool
    page_token: str


def selector(options: BulkOptions) -> job_service_pb2.JobSelector:
    """Say which jobs are meant.

    Raises TypeError for an option that is none, ValueError unless there are either ids or a filter.
    """
    check_options(options, BulkOptions)
    job_ids, text = options.get("job_ids", ()), options.get("filter", "")
    if bool(job_ids) == bool(text):
        raise ValueError("either job_ids or a filter says which jobs")
    if text:
        return job_service_pb2.JobSelector(filter=text)
    return job_service_pb2.JobSelector(ids=job_service_pb2.JobIdList(job_ids=job_ids))


def read_summary(message: job_service_pb2.BulkSummary) -> BulkSummary:
    """Read what one call did."""
    return BulkSummary(
        affected=message.affected,
        skipped=message.skipped,
        more=message.more,
        sample_job_ids=tuple(message.sample_job_ids),
        next_page_token=message.next_page_token,
    )


def extent(options: BulkOptions) -> dict[str, Any]:
    """Give the fields of a request beside its selector that each bulk call has."""
    return {
        "limit": options.get("limit", 0),
        "validate_only": options.get("validate_only", False),
        "page_token": options.get("page_token", ""),
    }


async def totals(
    ask: Callable[[_Request], Awaitable[BulkSummary]], request: _Request
) -> AsyncGenerator[BulkSummary, None]:
    """Call again and again while there may be more, and give after each call what all of them did."""
    total = BulkSummary(affected=0)
    while True:
        step = await ask(request)
        total = total.followed_by(step)
        yield total
        if not step.next_page_token:
            return
        request.page_token = step.next_page_token
