"""Lint migrations/ with squawk: one rule set forward, and leave to drop on the way back."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SQUAWK = Path(sys.executable).parent / "squawk"
SETTINGS = ROOT / ".squawk.toml"
# A down migration undoes its up migration, and dropping what that one made is all it does.
ALLOWED_ON_THE_WAY_BACK = (
    "ban-drop-table",
    "ban-drop-view",
    "ban-drop-function",
    "ban-drop-column",
    "require-concurrent-index-deletion",
)


def lint(pattern: str, allowed: tuple[str, ...] = ()) -> bool:
    """Run squawk over the migrations of one direction; tell whether it found nothing."""
    excluded = (*tomllib.loads(SETTINGS.read_text(encoding="utf-8"))["excluded_rules"], *allowed)
    files = sorted((ROOT / "migrations").glob(pattern))
    if not files:
        print(f"migrations/{pattern}: no such file")
        return False
    command: list[str | Path] = [
        "squawk",
        "--config",
        SETTINGS,
        "--reporter",
        "gcc",
        *(f"--exclude={rule}" for rule in excluded),
        *files,
    ]
    return subprocess.run(command, check=False).returncode == 0


def main() -> int:
    """Lint both directions; return the exit status."""
    forward = lint("*.up.sql")
    back = lint("*.down.sql", ALLOWED_ON_THE_WAY_BACK)
    return 0 if forward and back else 1


if __name__ == "__main__":
    sys.exit(main())
