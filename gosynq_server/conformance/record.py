"""What was seen of one worker process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from gosynq_server.conformance.book import Book
from gosynq_server.conformance.changes import Changes

if TYPE_CHECKING:
    from gosynq_server.conformance.session import Session
    from gosynq_server.conformance.timing import Timing


class Record:
    """Streams in their order, leases, and what broke the contract whatever case is played.

    is_turning_away: every hello is answered by the end of its stream. is_dismissing: by the welcome, and then that end,
    with OK. welcome_withheld: none is answered until told. has_polled: the worker asked for leases without a stream.
    """

    def __init__(self, *, queue: str, timing: Timing) -> None:
        self.timing = timing
        self.book = Book(queue=queue, lease=timing.lease)
        self.changes = Changes()
        self.sessions: list[Session] = []
        self.breaches: list[str] = []
        self.is_turning_away = False
        self.is_dismissing = False
        self.welcome_withheld = False
        self.has_polled = False

    def breach(self, what: str) -> None:
        """Note what no worker may do."""
        self.breaches.append(what)
        self.changes.ring()

    def admit(self, session: Session) -> bool:
        """Take in a session that has said hello, in place of the one before; say whether it may stay."""
        hello = session.hello
        if self.sessions and hello is not None:
            before = self.sessions[-1]
            if before.hello is not None and before.hello.worker_id != hello.worker_id:
                self.breach(f"worker_id became {hello.worker_id}, it was {before.hello.worker_id} on the stream before")
            if not before.has_ended:
                before.break_off(grpc.StatusCode.ABORTED, "another stream said hello with the same worker_id")
        self.sessions.append(session)
        return not self.is_turning_away
