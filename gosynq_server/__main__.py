"""The gosynq command."""

from __future__ import annotations

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
        sys.stderr.write(f"gosynq: {error.name} is not installed; pip install 'gosynq[all]'\n")
        status = 1
    sys.exit(status)


if __name__ == "__main__":
    main()
