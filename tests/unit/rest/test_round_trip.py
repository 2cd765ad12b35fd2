from typing import Any

import orjson
import pytest
from google.protobuf import duration_pb2, field_mask_pb2, message_factory, struct_pb2, timestamp_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from gosynq_server.rest.bindings import contract_bindings
from gosynq_server.rest.json_in import read_message
from gosynq_server.rest.json_out import write_message
from gosynq_server.rest.json_text import parse_json

MESSAGES = sorted(
    {message for binding in contract_bindings() for message in (binding.rpc.input_type, binding.rpc.output_type)},
    key=lambda message: message.full_name,
)

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
# A negative zero is written as 0, which is the one value that does not come back as it was.
reals = st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number or 0.0)
leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | reals | texts
trees = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
field_paths = st.from_regex(r"[a-z]{1,4}(_[a-z]{1,4}){0,2}(\.[a-z]{1,4})?", fullmatch=True)
nanos = st.integers(0, 999_999_999)


@st.composite
def structs(draw: st.DrawFn) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(draw(st.dictionaries(texts, trees, max_size=3)))
    return struct


@st.composite
def durations(draw: st.DrawFn) -> duration_pb2.Duration:
    sign = draw(st.sampled_from([1, -1]))
    return duration_pb2.Duration(seconds=sign * draw(st.integers(0, 315_576_000_000 - 1)), nanos=sign * draw(nanos))


WELL_KNOWN = {
    "google.protobuf.Duration": durations(),
    "google.protobuf.FieldMask": st.lists(field_paths, max_size=3).map(
        lambda paths: field_mask_pb2.FieldMask(paths=paths)
    ),
    "google.protobuf.Struct": structs(),
    "google.protobuf.Timestamp": st.builds(
        timestamp_pb2.Timestamp, seconds=st.integers(-62_135_596_800, 253_402_300_799), nanos=nanos
    ),
}

SCALARS = {
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=8),
    FieldDescriptor.TYPE_DOUBLE: reals,
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_STRING: texts,
}


def items(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    if field.message_type is not None:
        return WELL_KNOWN.get(field.message_type.full_name, messages(field.message_type))
    return SCALARS[field.type]


def values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        return st.dictionaries(texts, items(entry.fields_by_name["value"]), max_size=2)
    return st.lists(items(field), max_size=2) if field.is_repeated else items(field)


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor) -> Message:
    chosen = draw(st.sets(st.sampled_from(list(descriptor.fields)))) if descriptor.fields else ()
    # The last member of a oneof wins, as on the wire.
    fields = {field.name: draw(values(field)) for field in sorted(chosen, key=lambda field: field.number)}
    message = message_factory.GetMessageClass(descriptor)()
    for name, value in fields.items():
        message.MergeFrom(type(message)(**{name: value}))
    return message


@pytest.mark.parametrize("descriptor", MESSAGES, ids=lambda descriptor: descriptor.name)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_every_message_of_the_contract_comes_back_from_its_json(descriptor: Descriptor, data: st.DataObject) -> None:
    message = data.draw(messages(descriptor))

    back = type(message)()
    read_message(back, parse_json(orjson.dumps(write_message(message))))

    assert back == message


@given(tree=st.dictionaries(texts, trees))
def test_any_payload_comes_back_equal(tree: dict[str, Any]) -> None:
    request = message_factory.GetMessageClass(MESSAGES[0].file.pool.FindMessageTypeByName("gosynq.v1.JobSpec"))()
    read_message(request, parse_json(orjson.dumps({"payload": tree})))

    assert orjson.loads(orjson.dumps(write_message(request)))["payload"] == tree
