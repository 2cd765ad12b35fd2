"""The workers of this server, kept in the list of all workers: put there, renewed, told what others want of them."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from gosynq_server.domain.errors import GosynqError
from gosynq_server.domain.worker import FORGOTTEN_AFTER
from gosynq_server.service.wakeups import Deaf, Signal
from gosynq_server.store import workers
from gosynq_server.store.workers import Presence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from gosynq_server.domain.worker import WorkerProfile
    from gosynq_server.service.wakeups import Wakeups
    from gosynq_server.store.database import Database

_log = logging.getLogger(__name__)

_RENEW_EVERY = timedelta(seconds=10)
_POLLS = ""
"""The session, and the server, of a worker that polls: any server may hear of it next."""


class Member(Protocol):
    """A worker that this server has; each method returns at once."""

    def presence(self) -> Presence:
        """Say how it is."""
        ...

    def replace(self) -> None:
        """End: another session of the worker has taken its place."""

    def drain(self, reason: str) -> None:
        """Take no more jobs, finish, and leave. May be said again."""


class Registrar(Deaf):
    """Keeps this server's workers in the list and reads there what became of them.

    A row belongs to the session that was put there last: whoever finds another one's session in it was replaced. What
    other servers tell is a hint to look early.
    """

    def __init__(self, database: Database, *, server_id: str, tell: Wakeups) -> None:
        """Put the workers of this server there; tell is told which workers others are to look for."""
        self._database = database
        self.server_id = server_id
        self._tell = tell
        self._members: dict[str, Member] = {}
        self._pollers: dict[str, _Poller] = {}
        self._listed: dict[str, dict[str, WorkerProfile]] = {}
        self._renewing = asyncio.Lock()
        self.signal = Signal()

    def worker_changed(self, worker_id: str) -> None:
        """Look early, if the worker may be here."""
        if worker_id in self._members or worker_id in self._pollers:
            self.signal.set()

    @asynccontextmanager
    async def present(self, member: Member) -> AsyncIterator[None]:
        """Have a worker in the list during the block; one that broke off stays there until it is forgotten.

        A session of the same worker that is here is replaced at once, one at another server as soon as that one looks.
        """
        presence = member.presence()
        worker_id = presence.profile.worker_id
        put = (await workers.put(self._database, [presence], server_id=self.server_id))[worker_id]
        if put.was_at not in {None, self.server_id, _POLLS}:
            self._tell.worker_changed(worker_id)
        if put.drain_reason is not None:
            member.drain(put.drain_reason)
        # Only now that it has the row: a renewal before would find the row of the session before it.
        async with self.kept(member):
            yield

    @asynccontextmanager
    async def kept(self, member: Member) -> AsyncIterator[None]:
        """Have a worker in the list during the block, from the next renewal on, which nothing waits for."""
        presence = member.presence()
        worker_id = presence.profile.worker_id
        if (before := self._members.get(worker_id)) is not None:
            before.replace()
        self._members[worker_id] = member
        try:
            yield
            await self._take_out(presence)
        finally:
            if self._members.get(worker_id) is member:
                del self._members[worker_id]

    def polled(self, profile: WorkerProfile, *, wanted: int) -> bool:
        """Note that a worker polled; say whether it may have jobs."""
        worker_id = profile.worker_id
        if worker_id in self._members:
            return True
        poller = self._pollers.get(worker_id)
        if poller is None:
            poller = self._pollers[worker_id] = _Poller(profile)
            self.signal.set()
        if poller.heard(profile, wanted):
            self.signal.set()
        return not poller.is_drained

    async def run_once(self) -> timedelta:
        """Renew all workers of this server, and forget those that no server renews; return when to do so again."""
        async with self._renewing:
            await self._renew(self._members, server_id=self.server_id)
        self._pollers = {worker_id: poller for worker_id, poller in self._pollers.items() if not poller.is_gone}
        await self._renew(self._pollers, server_id=_POLLS)
        await workers.sweep(self._database)
        return _RENEW_EVERY

    async def _take_out(self, presence: Presence) -> None:
        # A renewal that is under way would put it back.
        async with self._renewing:
            with suppress(GosynqError):  # then it is forgotten in time
                await workers.leave(self._database, presence.profile.worker_id, presence.session_id)

    async def _renew(self, members: Mapping[str, Member], *, server_id: str) -> None:
        told = {worker_id: (member, member.presence()) for worker_id, member in members.items()}
        if not told:
            return
        renewals = await workers.renew(self._database, [presence for _, presence in told.values()])
        listed = self._listed.get(server_id, {})
        profiles = {worker_id: presence.profile for worker_id, (_, presence) in told.items()}
        changed = {worker_id for worker_id, profile in profiles.items() if listed.get(worker_id, profile) != profile}
        wrong = [
            told[worker_id][1]
            for worker_id, renewal in renewals.items()
            if not renewal.is_known or (renewal.is_held and worker_id in changed)
        ]
        if wrong:
            await workers.put(self._database, wrong, server_id=server_id)
        self._listed[server_id] = profiles
        for worker_id, renewal in renewals.items():
            member, _ = told[worker_id]
            if renewal.is_known and not renewal.is_held:
                member.replace()
            elif renewal.drain_reason is not None:
                member.drain(renewal.drain_reason)


class _Poller:
    """A worker without a session, as of its last call."""

    def __init__(self, profile: WorkerProfile, *, now: Callable[[], float] = time.monotonic) -> None:
        self._profile = profile
        self._now = now
        self.is_drained = False

    @property
    def is_gone(self) -> bool:
        return self._now() - self._heard_at > FORGOTTEN_AFTER.total_seconds()

    def heard(self, profile: WorkerProfile, wanted: int) -> bool:
        """Take in what it said last; say whether it is another worker than before."""
        is_other = profile != self._profile
        self._profile = profile
        self._wanted = wanted
        self._heard_at = self._now()
        return is_other

    def presence(self) -> Presence:
        silence = timedelta(seconds=self._now() - self._heard_at)
        return Presence(profile=self._profile, session_id=_POLLS, max_in_flight=self._wanted, silence=silence)

    def replace(self) -> None:
        """Go on: calls of a worker that has a session elsewhere are served all the same."""

    def drain(self, reason: str) -> None:  # noqa: ARG002 - a call has no way to tell it
        self.is_drained = True
