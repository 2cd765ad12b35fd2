"""Generate gosynq/v1 from proto/: messages, gRPC classes and their type stubs.

The stubs do not import buf.validate: its rules stay in the descriptors as bytes, where protovalidate finds
them, so no top-level package named buf is needed and nothing can collide with another library's copy of it.

Usage: python tools/generate_stubs.py [OUT_DIR]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).resolve().parent.parent
VALIDATION_RULES = "buf/validate/validate.proto"


def run_protoc(*arguments: str) -> None:
    """Run the protoc inside grpcio-tools, with the plugins installed beside this interpreter on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", *arguments], check=True, env={**os.environ, "PATH": path}
    )


def compile_image(files: list[str], image: Path) -> None:
    """Compile the contract to a descriptor set, comments included."""
    run_protoc(
        f"-I{ROOT / 'proto'}",
        f"-I{ROOT / 'proto/third_party'}",
        "--include_imports",
        "--include_source_info",
        f"--descriptor_set_out={image}",
        *files,
    )


def drop_validation_import(image: Path) -> None:
    """Take the rules' own file, and every import of it, out of a descriptor set."""
    whole = FileDescriptorSet.FromString(image.read_bytes())
    kept = [file for file in whole.file if file.name != VALIDATION_RULES]
    for file in kept:
        imports = [name for name in file.dependency if name != VALIDATION_RULES]
        del file.dependency[:]
        file.dependency.extend(imports)
    image.write_bytes(FileDescriptorSet(file=kept).SerializeToString())


def main(out: Path) -> None:
    """Write the stubs below a folder, and the contract's comments as gosynq/v1/contract.binpb beside them."""
    files = sorted(path.relative_to(ROOT / "proto").as_posix() for path in ROOT.glob("proto/gosynq/**/*.proto"))
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder, "image.binpb")
        compile_image(files, image)
        drop_validation_import(image)
        outputs = ("python_out", "grpc_python_out", "mypy_out", "mypy_grpc_out")
        run_protoc(f"--descriptor_set_in={image}", *(f"--{name}={out}" for name in outputs), *files)
        Path(out, "gosynq/v1/contract.binpb").write_bytes(image.read_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
