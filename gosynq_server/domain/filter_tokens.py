"""The words of a filter: where each stands, and what it can be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from gosynq_server.domain.errors import FilterInvalid


class TokenKind(Enum):
    """What a word of a filter is."""

    OPEN = auto()
    CLOSE = auto()
    COMPARATOR = auto()
    AND = auto()
    OR = auto()
    NOT = auto()
    MINUS = auto()
    BARE = auto()
    QUOTED = auto()
    END = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One word: its text without quotes and escapes, and the 0-based position of its first character."""

    kind: TokenKind
    text: str
    position: int


_SPACE = " \t\r\n"
_WORD = re.compile(
    r"""[ \t\r\n]*(?:
        (?P<OPEN>\() | (?P<CLOSE>\)) | (?P<COMPARATOR><=|>=|!=|[=<>])
        | (?P<MINUS>-(?=[(a-z]))
        | (?P<QUOTED>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
        | (?P<BARE>[\w.:/+*@~-]+)
        | (?P<END>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_KEYWORDS = {"AND": TokenKind.AND, "OR": TokenKind.OR, "NOT": TokenKind.NOT}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPABLE = "\\\"'"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def tokens(text: str) -> list[Token]:
    """Split a filter into its words, the last one of kind END; raise FilterInvalid where none can begin."""
    words: list[Token] = []
    position = 0
    while not words or words[-1].kind is not TokenKind.END:
        match = _WORD.match(text, position)
        if match is None:
            raise _no_word(text, position)
        words.append(_token(match))
        position = match.end()
    return words


def _token(match: re.Match[str]) -> Token:
    name = str(match.lastgroup)
    word, position = match[name], match.start(name)
    kind = _KEYWORDS.get(word, TokenKind[name])
    return Token(kind=kind, text=_unquoted(word, position) if kind is TokenKind.QUOTED else word, position=position)


def _unquoted(word: str, position: int) -> str:
    for escape in _ESCAPE.finditer(word):
        if escape[1] not in _ESCAPABLE:
            raise FilterInvalid(position=position + escape.start(), problem=f"no such escape as \\{escape[1]}")
    if unstorable := _UNSTORABLE.search(word):
        raise FilterInvalid(position=position + unstorable.start(), problem="no text has this character")
    return _ESCAPE.sub(r"\1", word[1:-1])


def _no_word(text: str, position: int) -> FilterInvalid:
    rest = text[position:].lstrip(_SPACE)
    problem = "the quote is not closed" if rest[0] in "\"'" else f"{rest[0]!r} can't stand here"
    return FilterInvalid(position=len(text) - len(rest), problem=problem)
