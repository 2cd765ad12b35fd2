"""Where the server's socket lies: beside the data, or in a private folder where that path is no good for a socket."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from gosynq_server.embedded.cluster import Cluster
from gosynq_server.embedded.errors import SocketPathTooLong

# A socket's whole path may have 103 bytes on macOS and 107 on Linux, of which `/.s.PGSQL.5432.lock` takes 19.
_LONGEST_FOLDER = 84


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketFolder:
    """A folder that only the server's account (and root) may enter, which is what makes trust without password safe."""

    path: Path
    private: bool

    @classmethod
    def choose(cls, cluster: Cluster) -> SocketFolder:
        """Take the data directory, or make a private folder; raise SocketPathTooLong where even that is too long."""
        if _fits(cluster.data):
            return cls(path=cluster.data, private=False)
        path = Path(tempfile.mkdtemp(prefix="gosynq-"))
        if not _fits(path):
            path.rmdir()
            raise SocketPathTooLong(path=path)
        cluster.account.give(path)
        return cls(path=path, private=True)

    @property
    def url(self) -> str:
        """The address of the server's first database."""
        return f"postgresql://postgres@/postgres?host={quote(str(self.path))}"

    def remove(self) -> None:
        """Remove the folder if it was made for this run."""
        if self.private:
            shutil.rmtree(self.path, ignore_errors=True)


def _fits(path: Path) -> bool:
    # Clients take a comma for the border between two hosts.
    return len(os.fsencode(path)) <= _LONGEST_FOLDER and "," not in str(path)
