"""A worker in a process of its own: the runtime over leases that come through the contract's Work stream."""

from gosynq_client.remote.subscriptions import QueueSubscription, RemoteOptions
from gosynq_client.remote.worker import RemoteWorker

__all__ = ["QueueSubscription", "RemoteOptions", "RemoteWorker"]
