"""Where handlers that a command names are imported from."""

from __future__ import annotations

import sys
from pathlib import Path


def import_from_here() -> None:
    """Have modules found in the folder that the command is called in, as `python -m` would find them."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
