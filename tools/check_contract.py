"""Refuse a contract that breaks clients of the last release, whose descriptors are proto/baseline.binpb.

buf sees changed types, names, numbers and deletions. It does not see a changed HTTP route or validation rule, which
break a caller as well: the options of everything that was in the release must be what they were. A deliberate change
is made at a release, by `make proto-baseline`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

ROOT = Path(__file__).resolve().parent.parent
BUF = Path(sys.executable).parent / "buf"
CONTRACT = ROOT / "gosynq/v1/contract.binpb"
BASELINE = ROOT / "proto/baseline.binpb"
RULES = {"version": "v2", "breaking": {"use": ["FILE", "WIRE_JSON"], "ignore": ["google"]}}


def message_options(prefix: str, message: DescriptorProto) -> Iterator[tuple[str, bytes]]:
    """Yield (name, serialised options) of a message, its fields, oneofs and nested messages."""
    name = f"{prefix}.{message.name}"
    yield name, message.options.SerializeToString(deterministic=True)
    for field in message.field:
        yield f"{name}.{field.name}", field.options.SerializeToString(deterministic=True)
    for choice in message.oneof_decl:
        yield f"{name}.{choice.name}", choice.options.SerializeToString(deterministic=True)
    for nested in message.nested_type:
        yield from message_options(name, nested)


def file_options(file: FileDescriptorProto) -> Iterator[tuple[str, bytes]]:
    """Yield (name, serialised options) of every message and method in a file."""
    for message in file.message_type:
        yield from message_options(file.package, message)
    for service in file.service:
        for method in service.method:
            name = f"{file.package}.{service.name}.{method.name}"
            yield name, method.options.SerializeToString(deterministic=True)


def options(image: FileDescriptorSet) -> dict[str, bytes]:
    """Collect the options of our own part of an image: routes and validation rules, by full name."""
    return {
        name: value for file in image.file if file.package.startswith("gosynq.") for name, value in file_options(file)
    }


def changed_options(baseline: FileDescriptorSet, contract: FileDescriptorSet) -> list[str]:
    """Name what stands in both and carries another route, rule or annotation."""
    now = options(contract)
    return sorted(name for name, value in options(baseline).items() if name in now and now[name] != value)


def main() -> int:
    """Compare with the release; return the exit status."""
    command: list[str | Path] = [BUF, "breaking", CONTRACT, "--against", BASELINE, "--config", json.dumps(RULES)]
    broken = subprocess.run(command, check=False).returncode != 0
    baseline = FileDescriptorSet.FromString(BASELINE.read_bytes())
    changed = changed_options(baseline, FileDescriptorSet.FromString(CONTRACT.read_bytes()))
    for name in changed:
        print(f"{name}: its HTTP route, validation rule or annotation is not that of the last release")
    return 1 if broken or changed else 0


if __name__ == "__main__":
    sys.exit(main())
