import pytest

from gosynq_server.rest.json_text import Flaw, check_depth, mismatch, parse_json
from gosynq_server.rest.refusals import FieldInvalid


def test_a_document_becomes_its_tree() -> None:
    assert parse_json('{"a":[1,-2.5,1e3,"é",null,true],"b":{}}'.encode()) == {
        "a": [1, -2.5, 1000.0, "é", None, True],
        "b": {},
    }


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"a":"\xff"}', "the body: is not UTF-8, from byte 6 on"),
        (b'{"a":1', "the body: is not JSON: Expecting ',' delimiter at line 1, column 7"),
        (b"\xef\xbb\xbf{}", "the body: is not JSON: Expecting value at line 1, column 1"),
        (b"{'a':1}", "the body: is not JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
        (b'"\x01"', "the body: is not JSON: Invalid control character at at line 1, column 2"),
        (b"[" * 100_000, "the body: is nested deeper than 32"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(body: bytes, problem: str) -> None:
    with pytest.raises(FieldInvalid) as refused:
        parse_json(body)

    assert str(refused.value) == problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("NaN", "is NaN, which JSON does not have"),
        ("-Infinity", "is -Infinity, which JSON does not have"),
        ("1" * 65, "is a number of more than 64 characters"),
        ("0." + "1" * 63, "is a number of more than 64 characters"),
        ("1e309", "has an exponent that a double can't hold"),
        ("0e309", "has an exponent that a double can't hold"),
        ("1E-325", "has an exponent that a double can't hold"),
        ("99e307", "has an exponent that a double can't hold"),
    ],
)
def test_a_number_that_no_double_holds_is_a_flaw_in_its_place(text: str, problem: str) -> None:
    assert parse_json(b'{"a":[' + text.encode() + b"]}") == {"a": [Flaw(problem=problem)]}


@pytest.mark.parametrize("text", ["1" * 64, "1e308", "1e-324", "0." + "1" * 62])
def test_a_number_at_the_limit_is_taken(text: str) -> None:
    assert parse_json(text.encode()) == pytest.approx(float(text))


def test_a_key_that_is_given_twice_is_a_flaw_of_its_object() -> None:
    assert parse_json(b'{"a":{"x":1,"y":2,"\\u0079":3}}') == {"a": Flaw(problem="is given twice", key="y")}


def test_a_flaw_is_refused_for_what_it_is_and_another_value_for_what_it_is_not() -> None:
    assert str(mismatch(Flaw(problem="is given twice", key="y"), "an object")) == "y: is given twice"
    assert str(mismatch(5, "an object")) == "the body: must be an object"


def test_a_document_may_be_32_deep() -> None:
    check_depth(32)
    with pytest.raises(FieldInvalid, match="is nested deeper than 32"):
        check_depth(33)
