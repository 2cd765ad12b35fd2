"""Refuse generated code that its sources do not give any more: generate it elsewhere and compare."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STUBS = Path("gosynq/v1")
GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi", "contract.binpb")


def generated_files(root: Path) -> dict[str, bytes]:
    """Read the generated files below a root, by name."""
    return {path.name: path.read_bytes() for pattern in GENERATED for path in (root / STUBS).glob(pattern)}


def differences(committed: dict[str, bytes], fresh: dict[str, bytes]) -> list[str]:
    """Name the files that are missing, left over or other than their sources say."""
    return sorted(name for name in committed.keys() | fresh.keys() if committed.get(name) != fresh.get(name))


def main() -> int:
    """Generate into a folder that is thrown away; return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, ROOT / "tools/generate_stubs.py", folder],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stale = differences(generated_files(ROOT), generated_files(Path(folder)))
    for name in stale:
        print(f"{STUBS / name}: not what proto/ gives; run make proto and commit")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
