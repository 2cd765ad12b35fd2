"""A payload means the same as a Struct and as bytes, or stays in the form that keeps its meaning."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct, Value
from hypothesis import given
from hypothesis import strategies as st

from gosynq_server.domain.errors import ValidationFailed
from gosynq_server.rpc.convert_content import DEPTH_LIMIT, checked_json, json_of, struct_of

JSON = "application/json"


def leaves() -> st.SearchStrategy[Any]:
    integers = st.integers(-(2**53), 2**53)
    return st.none() | st.booleans() | st.text() | integers | st.floats(allow_nan=False, allow_infinity=False)


def objects() -> st.SearchStrategy[dict[str, Any]]:
    def children(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)

    return st.dictionaries(st.text(), st.recursive(leaves(), children, max_leaves=10), max_size=4)


def struct(value: dict[str, Any]) -> Struct:
    made = Struct()
    json_format.ParseDict(value, made)
    return made


def nested(depth: int, *, key: str | None = None) -> Any:
    """Nest that many objects, or lists inside of one object."""
    value: Any = {} if key is None else []
    for _ in range(depth - 1):
        value = {"a": value} if key is None else [value]
    return value


@given(value=objects())
def test_a_struct_that_was_kept_comes_back_the_same(value: dict[str, Any]) -> None:
    kept = struct_of(json_of(struct(value), "job.payload"), JSON)

    assert kept is not None
    assert json_format.MessageToDict(kept) == value


@given(value=objects())
def test_a_struct_is_kept_as_the_json_that_it_means(value: dict[str, Any]) -> None:
    assert json.loads(json_of(struct(value), "job.payload")) == value


def test_a_struct_is_kept_in_one_canonical_form() -> None:
    assert json_of(struct({"b": 3.0, "a": [1.5, None, True], "c": {"z": "ü", "y": -0.0}}), "p") == (
        '{"a":[1.5,null,true],"b":3,"c":{"y":0,"z":"ü"}}'.encode()
    )


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_struct_with_a_number_that_json_lacks_is_refused(number: float) -> None:
    sent = Struct(fields={"a": Value(number_value=number)})

    with pytest.raises(ValidationFailed, match=r"job\.payload: must not contain NaN"):
        json_of(sent, "job.payload")


def test_a_struct_with_a_value_of_no_kind_is_refused() -> None:
    with pytest.raises(ValidationFailed, match="kind"):
        json_of(Struct(fields={"a": Value()}), "job.payload")


def test_a_struct_may_nest_to_the_limit_and_no_deeper() -> None:
    json_of(struct(nested(DEPTH_LIMIT)), "job.payload")
    json_of(struct({"a": nested(DEPTH_LIMIT - 1, key="list")}), "job.payload")

    with pytest.raises(ValidationFailed, match="deeper than 32"):
        json_of(struct(nested(DEPTH_LIMIT + 1)), "job.payload")
    with pytest.raises(ValidationFailed, match="deeper than 32"):
        json_of(struct({"a": nested(DEPTH_LIMIT, key="list")}), "job.payload")


@pytest.mark.parametrize(
    "content",
    [b"{}", b"[]", b"null", b'"a"', b"-1.5e3", b' {"a" : 1, "b":[{}]} ', b"12345678901234567890123", b'"\\u0000"'],
)
def test_json_bytes_are_kept_as_they_are(content: bytes) -> None:
    assert checked_json(content, "job.payload_bytes") is content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"{'a':1}",
        b"NaN",
        b"[Infinity]",
        b"1e400",
        b"\xff",
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b"\xef\xbb\xbf{}",
        b'"a\nb"',
        b"01",
        b"{}{}",
        b'{"a":1,}',
        b"[" * 2000 + b"]" * 2000,
    ],
)
def test_bytes_that_are_no_json_are_refused_by_name(content: bytes) -> None:
    with pytest.raises(ValidationFailed) as caught:
        checked_json(content, "job.payload_bytes")

    assert caught.value.violations[0].field == "job.payload_bytes"


def test_json_bytes_may_nest_to_the_limit_and_no_deeper() -> None:
    checked_json(json.dumps(nested(DEPTH_LIMIT)).encode(), "p")
    checked_json(json.dumps(nested(DEPTH_LIMIT, key="list")).encode(), "p")
    checked_json(json.dumps([{"a": {}}] * DEPTH_LIMIT).encode(), "p")

    with pytest.raises(ValidationFailed, match="deeper than 32"):
        checked_json(json.dumps(nested(DEPTH_LIMIT + 1)).encode(), "p")
    with pytest.raises(ValidationFailed, match="deeper than 32"):
        checked_json(json.dumps(nested(DEPTH_LIMIT + 1, key="list")).encode(), "p")


@pytest.mark.parametrize(
    "content",
    [
        b'{"a":9007199254740993}',
        b'{"a":[-9007199254740993]}',
        b'{"a":123456789012345678901234567890}',
        b"[1]",
        b'"a"',
        b"null",
        b"{",
        b"\xff",
        json.dumps(nested(DEPTH_LIMIT + 1)).encode(),
        json.dumps({"a": nested(DEPTH_LIMIT, key="list")}).encode(),
        json.dumps({"n": "1234567890123456789", "a": nested(DEPTH_LIMIT)}).encode(),
    ],
)
def test_content_that_a_struct_would_change_has_none(content: bytes) -> None:
    assert struct_of(content, JSON) is None


def test_content_of_another_type_has_no_struct() -> None:
    assert struct_of(b"{}", "application/x-thing") is None


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"{}", {}),
        (b'{"a":9007199254740992,"b":{},"c":[]}', {"a": 2**53, "b": {}, "c": []}),
        (b'{"a":"1234567890123456789012345"}', {"a": "1234567890123456789012345"}),
        (b'{"a":1e30}', {"a": 1e30}),
    ],
)
def test_a_json_object_that_a_double_holds_has_a_struct(content: bytes, value: dict[str, Any]) -> None:
    assert struct_of(content, JSON) == struct(value)
