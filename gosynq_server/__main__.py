"""The gosynq command."""

from __future__ import annotations

import json
import os
import sys

_OURS = frozenset({"gosynq", "gosynq_client", "gosynq_server"})


def main() -> None:
    """Run the command and exit with its status: 0 well, 1 it failed, 2 it was called wrongly."""
    # gRPC's core would print lines of its own beside our one; whoever wants them says so.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        from gosynq_server.cli import run  # noqa: PLC0415 - what it needs may not be installed

        status = run(sys.argv[1:])
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in _OURS:
            raise
        status = _tell_missing(error.name)
    sys.exit(status)


def _tell_missing(package: str) -> int:
    """Tell of a package that is not there as failures tells, which may need it."""
    message = f"{package} is not installed; pip install 'gosynq[all]'"
    line = f"gosynq: {message}"
    if "--json" in sys.argv:
        facts = {"reason": "PACKAGE_MISSING", "message": message, "details": {"package": package}}
        line = json.dumps({"error": {"code": "FAILED_PRECONDITION", **facts}})
    sys.stderr.write(f"{line}\n")
    return 1


if __name__ == "__main__":
    main()
