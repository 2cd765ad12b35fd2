"""The size gate."""

from __future__ import annotations

from tools.check_sizes import MAX_BODY_LINES, MAX_FILE_LINES, oversize


def function(lines: int, *, first: str = "") -> str:
    return f"def act():\n{first}" + "    pass\n" * lines


def test_a_body_at_the_limit_is_let_through() -> None:
    assert list(oversize(function(MAX_BODY_LINES))) == []


def test_a_body_above_the_limit_is_named_with_its_line() -> None:
    source = "\n" + function(MAX_BODY_LINES + 1)
    assert list(oversize(source)) == [(2, "act has a body of 41 lines, at most 40 are allowed")]


def test_a_docstring_is_no_part_of_the_body() -> None:
    docstring = '    """Act.\n\n    At length.\n    """\n'
    assert list(oversize(function(MAX_BODY_LINES, first=docstring))) == []


def test_a_nested_function_counts_for_the_one_around_it() -> None:
    nested = "    @decorated\n    def inner():\n        pass\n"
    assert list(oversize(function(MAX_BODY_LINES - 3, first=nested))) == []
    assert [line for line, _ in oversize(function(MAX_BODY_LINES - 2, first=nested))] == [1]


def test_a_file_above_the_limit_is_named() -> None:
    assert list(oversize("pass\n" * MAX_FILE_LINES)) == []
    assert list(oversize("pass\n" * (MAX_FILE_LINES + 1))) == [(1, "file of 401 lines, at most 400 are allowed")]
