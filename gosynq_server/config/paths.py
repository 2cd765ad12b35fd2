"""The rules of paths: what has to be there is looked for at once, not when it is needed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gosynq_server.config.rules import Text


@dataclass(frozen=True, slots=True)
class Location:
    """The path of a file or folder; a leading ~ is the user's home."""

    allowed: str = "a path"

    def read(self, value: object) -> Path:
        """Return the path; raise ValueError."""
        try:
            return Path(Text().read(value)).expanduser()
        except RuntimeError as error:  # there is no such home
            raise ValueError(value) from error


@dataclass(frozen=True, slots=True)
class FileToRead:
    """The path of a file, or of a pipe, that is there."""

    allowed: str = "the path of a file that can be read"

    def read(self, value: object) -> Path:
        """Return the path; raise ValueError."""
        path = Location().read(value)
        if path.is_dir() or not os.access(path, os.R_OK):
            raise ValueError(value)
        return path


@dataclass(frozen=True, slots=True)
class FileToWrite:
    """The path of a file that is to be made, or made anew."""

    allowed: str = "the path of a file in a folder that is there and can be written to"

    def read(self, value: object) -> Path:
        """Return the path; raise ValueError."""
        path = Location().read(value)
        folder = path.parent
        if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            raise ValueError(value)
        return path
