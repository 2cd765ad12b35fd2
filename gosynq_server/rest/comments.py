"""The contract's comments, which are its manual, by the full name of what each stands at."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# The field numbers that descriptor.proto has for what a file holds, and for what those hold: SourceCodeInfo's paths
# are made of them.
_KINDS: Final[tuple[tuple[str, int, str, int], ...]] = (
    ("message_type", 4, "field", 2),
    ("enum_type", 5, "value", 2),
    ("service", 6, "method", 2),
)


def contract_comments() -> Mapping[str, str]:
    """Return the leading comments of gosynq.v1's messages, fields, enums, values, services and methods."""
    contract = FileDescriptorSet.FromString(files("gosynq.v1").joinpath("contract.binpb").read_bytes())
    return {name: text for file in contract.file if file.package == "gosynq.v1" for name, text in _comments(file)}


def _comments(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    texts = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
    for name, path in _places(file):
        yield f"{file.package}.{name}", _plain(texts[path])


def _places(file: FileDescriptorProto) -> Iterator[tuple[str, tuple[int, ...]]]:
    for outer_kind, outer_number, inner_kind, inner_number in _KINDS:
        for name, path, outer in _numbered(getattr(file, outer_kind), (outer_number,)):
            yield name, path
            for inner_name, inner_path, _ in _numbered(getattr(outer, inner_kind), (*path, inner_number)):
                yield f"{name}.{inner_name}", inner_path


def _numbered(things: Iterable[Any], path: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...], Any]]:
    return ((thing.name, (*path, index), thing) for index, thing in enumerate(things))


def _plain(comment: str) -> str:
    return "\n".join(line.removeprefix(" ").rstrip() for line in comment.strip("\n").splitlines()).strip()
