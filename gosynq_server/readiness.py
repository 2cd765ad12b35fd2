"""Tell whoever started a server or a worker that it is at work, and where."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """What is bound, each as HOST:PORT."""

    grpc: str
    http: str
    metrics: str
    health: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerAddresses:
    """Who a worker is, and what it has bound, each as HOST:PORT."""

    worker_id: str
    metrics: str
    health: str


def write_ready_file(path: Path, addresses: Addresses | WorkerAddresses, *, version: str) -> None:
    """Put one JSON object with the addresses, the process id and the version into a file, all at once or not at all.

    A reader that finds the file finds all of it. Raises OSError where the folder cannot be written.
    """
    document = {**asdict(addresses), "pid": os.getpid(), "version": version}
    # In the same folder, as a rename is atomic only inside one file system.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(document) + "\n")
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def remove_ready_file(path: Path) -> None:
    """Remove what an earlier run left, or this one at its end; harmless where there is none."""
    path.unlink(missing_ok=True)
