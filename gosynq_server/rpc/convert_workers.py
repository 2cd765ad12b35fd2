"""Workers as operators get them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gosynq.v1 import admin_service_pb2, worker_pb2
from gosynq_server.domain.worker import WorkerState
from gosynq_server.rpc.convert import timestamp
from gosynq_server.rpc.convert_jobs import LARGEST_PAGE_SIZE

if TYPE_CHECKING:
    from gosynq_server.domain.worker import Subscription, WorkerInfo, WorkerPage

_DEFAULT_PAGE_SIZE = 100
_STATE_NUMBERS = {state: worker_pb2.WorkerState.Value(f"WORKER_STATE_{state.name}") for state in WorkerState}


def worker_page_size_of(asked: int) -> int:
    """Return how many workers to give: 0 asks for the default, too many for the most (AIP-158)."""
    return min(asked or _DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE)


def workers_message(page: WorkerPage) -> admin_service_pb2.ListWorkersResponse:
    """Return a page of workers."""
    workers = map(worker_message, page.workers)
    return admin_service_pb2.ListWorkersResponse(workers=workers, next_page_token=page.next_page_token)


def worker_message(worker: WorkerInfo) -> worker_pb2.WorkerInfo:
    """Return a worker."""
    make = worker.profile.make
    return worker_pb2.WorkerInfo(
        worker_id=worker.profile.worker_id,
        state=_STATE_NUMBERS[worker.state],
        queues=map(_subscription_message, worker.profile.subscriptions),
        kinds=worker.profile.kinds,
        runtime=worker_pb2.WorkerRuntime(sdk=make.sdk, language=make.language, build=make.build, host=make.host),
        in_flight=worker.in_flight,
        max_in_flight=worker.max_in_flight,
        connected_at=timestamp(worker.connected_at),
        last_seen_at=timestamp(worker.last_seen_at),
        server_id=worker.server_id,
    )


def _subscription_message(told: Subscription) -> worker_pb2.QueueSubscription:
    return worker_pb2.QueueSubscription(queue=told.queue, weight=told.weight, max_in_flight=told.max_in_flight)
