"""A bare gRPC server that answers EnqueueJob without doing anything: what any Python server costs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import grpc
import uvloop

from gosynq.v1 import job_service_pb2, job_service_pb2_grpc


class Nothing(job_service_pb2_grpc.JobServiceServicer):
    """Answers EnqueueJob."""

    async def EnqueueJob(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002 - the contract's names
        """Do nothing."""
        return job_service_pb2.EnqueueJobResponse(job_id="01900000-0000-7000-8000-000000000000")


async def main(ready: Path) -> None:
    """Serve until terminated."""
    server = grpc.aio.server()
    nothing = Nothing()  # type: ignore[abstract]  # the generated base answers the rest
    job_service_pb2_grpc.add_JobServiceServicer_to_server(nothing, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await asyncio.to_thread(ready.write_text, json.dumps({"grpc": f"127.0.0.1:{port}", "pid": os.getpid()}))
    await server.wait_for_termination()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(sys.argv[1])))
