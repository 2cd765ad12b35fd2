"""The peers there are: how each is called, whether it is installed, and what of its jobs is not final yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_PEERS = Path(__file__).resolve().parent
_PYTHON = _PEERS / "python" / ".venv" / "bin" / "python"
_NODE_MODULES = _PEERS / "node" / "node_modules"
_RIVER = _PEERS / "go" / "bin" / "river"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A job system beside ours."""

    name: str
    language: str
    """The end of the `make bench-peers-...` that installs it."""
    adapter: tuple[str, ...]
    """The command that takes a verb and an order."""
    installed_as: Path
    """What is there once it is installed."""
    unfinished: str
    """SQL that counts the jobs which are not final."""
    jobs: int
    """How many a drain takes: some seconds' worth."""

    @property
    def is_installed(self) -> bool:
        """Whether it can be run."""
        return self.installed_as.exists()


def _on_python(name: str, *, unfinished: str, jobs: int) -> Peer:
    module = f"bench.peers.python.on_{name}"
    return Peer(
        name=name,
        language="python",
        adapter=(str(_PYTHON), "-m", module),
        installed_as=_PYTHON.parent.parent / ".ready",
        unfinished=unfinished,
        jobs=jobs,
    )


def _on_node(name: str, *, unfinished: str, jobs: int) -> Peer:
    node = next(_NODE_MODULES.glob("node-linux-*/bin/node"), "node")
    return Peer(
        name=name,
        language="node",
        adapter=(str(node), str(_PEERS / "node" / f"on-{name}.js")),
        installed_as=_NODE_MODULES / name,
        unfinished=unfinished,
        jobs=jobs,
    )


PEERS = (
    _on_python("pgqueuer", unfinished="SELECT count(*) FROM pgqueuer", jobs=60_000),
    _on_python(
        "procrastinate",
        unfinished="SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')",
        jobs=4_000,
    ),
    _on_node("graphile-worker", unfinished="SELECT count(*) FROM graphile_worker._private_jobs", jobs=200_000),
    _on_node("pg-boss", unfinished="SELECT count(*) FROM pgboss.job WHERE state < 'completed'", jobs=100_000),
    Peer(
        name="river",
        language="go",
        adapter=(str(_RIVER),),
        installed_as=_RIVER,
        unfinished="SELECT count(*) FROM river_job WHERE finalized_at IS NULL",
        jobs=100_000,
    ),
)
