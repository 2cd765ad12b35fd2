"""Cursors give their position back, and are taken only as they were written."""

import re
import struct
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosynq_server.domain.cursors import decode_cursor, encode_cursor
from gosynq_server.domain.errors import CursorInvalid
from gosynq_server.domain.event import Position

BIGGEST = 2**63 - 1
POSITION = Position(tick=1234567, row=89, place=7, made_at=1_772_366_400_250_000)
CURSOR = encode_cursor(POSITION)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

stored = st.integers(0, BIGGEST)
positions = st.builds(Position, tick=stored, row=stored, place=st.integers(0, 2**31 - 1), made_at=stored)


def _written(version: int = 1, nodes: int = 1, node: int = 0, position: tuple[int, ...] = tuple(POSITION)) -> str:
    """Write a cursor with a right check, as another version or a caller might."""
    content = struct.pack(">BBHQQIQ", version, nodes, node, *position)
    return urlsafe_b64encode(content + sha256(content).digest()[:4]).decode()


@given(positions)
def test_a_cursor_gives_back_its_position_and_needs_no_escape(position: Position) -> None:
    cursor = encode_cursor(position)

    assert decode_cursor(cursor) == position
    assert re.fullmatch("[A-Za-z0-9_-]{48}", cursor)


@pytest.mark.parametrize("place", range(len(CURSOR)))
def test_a_cursor_changed_in_one_place_is_refused(place: int) -> None:
    for character in {*ALPHABET, *"+/= \x00é"} - {CURSOR[place]}:
        with pytest.raises(CursorInvalid):
            decode_cursor(CURSOR[:place] + character + CURSOR[place + 1 :])


@pytest.mark.parametrize("place", range(len(CURSOR)))
def test_a_cursor_that_lacks_a_character_or_has_one_more_is_refused(place: int) -> None:
    for changed in (CURSOR[:place] + CURSOR[place + 1 :], CURSOR[:place] + "A" + CURSOR[place:]):
        with pytest.raises(CursorInvalid):
            decode_cursor(changed)


@pytest.mark.parametrize(
    "changed", ["", "A", CURSOR[:-4], CURSOR + "AAAA", CURSOR + "\n", " " + CURSOR, CURSOR + "=", "é" * 48, CURSOR * 2]
)
def test_what_is_no_cursor_is_refused(changed: str) -> None:
    with pytest.raises(CursorInvalid):
        decode_cursor(changed)


@given(st.text(max_size=60))
def test_any_text_but_a_cursor_is_refused(text: str) -> None:
    with pytest.raises(CursorInvalid):
        decode_cursor(text)


@pytest.mark.parametrize("form", [{"version": 0}, {"version": 2}, {"nodes": 0}, {"nodes": 2}, {"node": 1}])
def test_a_cursor_of_another_form_is_refused(form: dict[str, Any]) -> None:
    assert _written() == CURSOR
    with pytest.raises(CursorInvalid):
        decode_cursor(_written(**form))


@pytest.mark.parametrize("field", ["tick", "row", "made_at"])
def test_a_made_up_position_beyond_what_the_store_can_hold_is_refused(field: str) -> None:
    for number in (BIGGEST + 1, 2**64 - 1):
        with pytest.raises(CursorInvalid):
            decode_cursor(_written(position=POSITION._replace(**{field: number})))
