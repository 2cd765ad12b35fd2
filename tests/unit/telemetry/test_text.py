from hypothesis import given
from hypothesis import strategies as st

from gosynq_server.telemetry.text import cut, printable


def test_what_a_terminal_would_obey_is_escaped() -> None:
    assert printable("a\x1b[2Jb\nc\u202e\ud800é") == "a\\x1b[2Jb\\nc\\u202e\\ud800é"


@given(st.text(st.characters(exclude_categories=())))
def test_any_string_comes_out_printable_and_encodable(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert shown.encode().decode() == shown


def test_a_long_string_is_cut_and_says_how_long_it_was() -> None:
    assert cut("x" * 30, 5) == "xxxxx... (30 characters)"
    assert cut("x" * 5, 5) == "xxxxx"


def test_a_lone_surrogate_is_replaced() -> None:
    assert cut("\ud800", 5) == "\\ud800"
