"""What handlers that run in threads leave behind at a process's end."""

from __future__ import annotations

import logging
import os
import sys
import threading

_log = logging.getLogger(__name__)

_THREAD_SECONDS = 0.1


def leave_threads_behind() -> None:
    """End the process where a handler's thread is still at work: the interpreter would wait for it, maybe for ever.

    Its job was given back or reported long ago, and everything else has been closed.
    """
    from gosynq_client.worker.runtime import HANDLER_THREADS  # noqa: PLC0415 - --help shall not wait for it

    threads = [thread for thread in threading.enumerate() if thread.name.startswith(HANDLER_THREADS)]
    for thread in threads:
        thread.join(_THREAD_SECONDS)
    if any(thread.is_alive() for thread in threads):
        _log.warning("handlers were still running in threads and were cut off")
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)
