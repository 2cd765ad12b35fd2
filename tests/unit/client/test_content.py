from __future__ import annotations

from types import MappingProxyType

import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

from gosynq_client.content import decode, encode, plain_object

JSON = "application/json"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text('aé\0\n"😀'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("kÄ", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("kÄ", max_size=3), json_values, max_size=3))
def test_a_json_object_comes_back_as_it_went(payload: dict[str, object]) -> None:
    assert decode(*encode(payload, "")) == payload


@given(st.binary(), st.sampled_from(["image/png", "text/plain", ""]))
def test_bytes_come_back_as_they_went(payload: bytes, content_type: str) -> None:
    assert decode(*encode(payload, content_type)) == payload


@pytest.mark.parametrize(
    ("payload", "content_type", "document", "told"),
    [
        ({}, "", b"{}", JSON),
        (MappingProxyType({"n": 2**63 + 1}), "", b'{"n":9223372036854775809}', JSON),
        ({"é": [1, 2]}, "", '{"é":[1,2]}'.encode(), JSON),
        (b"\x89PNG", "image/png", b"\x89PNG", "image/png"),
        (b"?", "", b"?", "application/octet-stream"),
        (b"[1]", JSON, b"[1]", JSON),
    ],
)
def test_a_payload_goes_as_bytes_with_their_media_type(
    payload: object, content_type: str, document: bytes, told: str
) -> None:
    assert encode(payload, content_type) == (document, told)  # type: ignore[arg-type]  # a table of every form


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}, "\ud800"])
def test_what_json_can_not_hold_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode({"value": value}, "")


def test_half_of_a_surrogate_pair_is_named() -> None:
    with pytest.raises(ValueError, match="half of a surrogate pair"):
        encode({"value": "\ud800"}, "")


def test_a_json_object_takes_no_other_media_type() -> None:
    with pytest.raises(ValueError, match="content_type goes with bytes"):
        encode({}, "text/plain")


@pytest.mark.parametrize(
    ("document", "content_type", "content"),
    [
        (b'{"n": 9007199254740993}', JSON, {"n": 9007199254740993}),
        (b"{}", "Application/JSON; charset=utf-8", {}),
        (b"{}", "application/octet-stream", b"{}"),
        (b"[1]", JSON, b"[1]"),
        (b"null", JSON, b"null"),
        (b"{", JSON, b"{"),
        (b"\xff", JSON, b"\xff"),
    ],
)
def test_only_a_json_object_becomes_a_dict(document: bytes, content_type: str, content: object) -> None:
    assert decode(document, content_type) == content


def test_a_struct_becomes_a_dict_with_its_whole_numbers_whole() -> None:
    struct = Struct()
    struct.update({"n": 3, "x": 1.5, "s": "text", "b": True, "none": None, "list": [1, {"in": -2}]})

    plain = plain_object(struct)

    assert plain == {"n": 3, "x": 1.5, "s": "text", "b": True, "none": None, "list": [1, {"in": -2}]}
    assert isinstance(plain["n"], int)
    assert plain["b"] is True


def test_a_value_of_no_kind_in_a_struct_is_none() -> None:
    struct = Struct()
    struct.fields["odd"].SetInParent()

    assert plain_object(struct) == {"odd": None}
