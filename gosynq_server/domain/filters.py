r"""Filters of lists: a subset of AIP-160, parsed into a tree and rendered for the database as a jsonpath predicate.

    filter      = [ expression ]
    expression  = factor { "AND" factor }
    factor      = term { "OR" term }
    term        = { "NOT" | "-" } ( "(" expression ")" | restriction )
    restriction = field comparator value

OR binds tighter than AND, unlike in most languages: `a AND b OR c` means `a AND (b OR c)`. That is AIP-160's rule, kept
so that a filter means here what it means everywhere else. Two terms side by side, functions, `:` and wildcards are not
in the subset. A value is bare, or quoted with " or ' where \ stands before a quote or itself. Text is compared by code
point. Where a job has no such label, or is not finished, only != holds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias, assert_never

from gosynq_server.domain.errors import FilterInvalid
from gosynq_server.domain.filter_fields import ERROR_TYPE, Comparator, Value, read_comparator, read_path, read_value
from gosynq_server.domain.filter_tokens import Token, TokenKind, tokens
from gosynq_server.domain.job import JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_COMPARISONS = 20
MAX_DEPTH = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A field, as the path that leads to it, against a value."""

    path: tuple[str, ...]
    comparator: Comparator
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """The opposite."""

    part: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class And:
    """All of the parts; none at all holds of every job."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Or:
    """At least one of the parts."""

    parts: tuple[Node, ...]


Node: TypeAlias = Comparison | Not | And | Or


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicate:
    """A filter as the database is asked: a jsonpath, whether it asks about errors, in which statuses it may hold."""

    path: str
    asks_about_errors: bool
    statuses: frozenset[JobStatus]


EVERY_STATUS = frozenset(JobStatus)


def compiled(text: str) -> Predicate:
    """Return what the database is asked for a filter, in ASCII; raise FilterInvalid.

    The path is for `document @@ path`. The document has the fields under their names: id, queue, kind, status,
    schedule_id, the keys and error_type as text, priority and attempt as numbers, moments as seconds since the Unix
    epoch or null, labels as an object or null. Every value from outside is a JSON literal in the path, and every name
    one of ours or of a label key's alphabet.
    """
    node = parse(text)
    return Predicate(
        path=_rendered(node),
        asks_about_errors=any(comparison.path == (ERROR_TYPE,) for comparison in _comparisons(node)),
        statuses=_statuses(node),
    )


def parse(text: str) -> Node:
    """Return the tree of a filter; raise FilterInvalid with the position where it is none."""
    return _Parser(tokens(text)).filter()


class _Parser:
    """Reads words from the left by the grammar above, a method a rule."""

    def __init__(self, words: list[Token]) -> None:
        self._words = words
        self._at = 0
        self._comparisons = 0
        self._depth = 0

    def filter(self) -> Node:
        if self._next.kind is TokenKind.END:
            return And(parts=())
        node = self._expression()
        self._expect("expected AND, OR or the end", TokenKind.END)
        return node

    def _expression(self) -> Node:
        factors = self._parts(self._factor, TokenKind.AND)
        return factors[0] if len(factors) == 1 else And(parts=factors)

    def _factor(self) -> Node:
        terms = self._parts(self._term, TokenKind.OR)
        return terms[0] if len(terms) == 1 else Or(parts=terms)

    def _parts(self, rule: Callable[[], Node], separator: TokenKind) -> tuple[Node, ...]:
        parts = [rule()]
        while self._taken(separator):
            parts.append(rule())
        return tuple(parts)

    def _term(self) -> Node:
        negated = False
        while self._taken(TokenKind.NOT, TokenKind.MINUS):
            # Two in a row are none, so that a long row of them makes no deep tree.
            negated = not negated
        return Not(part=self._simple()) if negated else self._simple()

    def _simple(self) -> Node:
        return self._composite() if self._taken(TokenKind.OPEN) else self._restriction()

    def _composite(self) -> Node:
        # Bounds the recursion: what a caller sends must not exhaust our stack, or the database's.
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._refusal(f"more than {MAX_DEPTH} parentheses inside one another")
        node = self._expression()
        self._expect("expected AND, OR or )", TokenKind.CLOSE)
        self._depth -= 1
        return node

    def _restriction(self) -> Node:
        self._comparisons += 1
        if self._comparisons > MAX_COMPARISONS:
            raise self._refusal(f"more than {MAX_COMPARISONS} comparisons")
        path = read_path(self._expect("expected a field", TokenKind.BARE))
        comparator = read_comparator(path, self._expect("expected = != < <= > or >=", TokenKind.COMPARATOR))
        value = read_value(path, self._expect("expected a value", TokenKind.BARE, TokenKind.QUOTED))
        return Comparison(path=path, comparator=comparator, value=value)

    @property
    def _next(self) -> Token:
        return self._words[self._at]

    def _taken(self, *kinds: TokenKind) -> bool:
        taken = self._next.kind in kinds
        self._at += taken
        return taken

    def _expect(self, problem: str, *kinds: TokenKind) -> Token:
        word = self._next
        if not self._taken(*kinds):
            raise self._refusal(problem)
        return word

    def _refusal(self, problem: str) -> FilterInvalid:
        return FilterInvalid(position=self._next.position, problem=problem)


def _rendered(node: Node) -> str:
    match node:
        case Comparison():
            return _rendered_comparison(node)
        case Not(part=part):
            return f"!({_rendered(part)})"
        case And(parts=parts):
            return " && ".join(map(_enclosed, parts)) or "true"
        case Or(parts=parts):
            return " || ".join(map(_enclosed, parts))
        case _:
            assert_never(node)


def _comparisons(node: Node) -> Iterator[Comparison]:
    match node:
        case Comparison():
            yield node
        case Not(part=part):
            yield from _comparisons(part)
        case And(parts=parts) | Or(parts=parts):
            for part in parts:
                yield from _comparisons(part)
        case _:
            assert_never(node)


def _statuses(node: Node) -> frozenset[JobStatus]:
    """Return the statuses of all jobs of which it may hold, and perhaps more."""
    match node:
        case Comparison(path=("status",), comparator=Comparator.EQUAL, value=value):
            return frozenset({JobStatus(str(value))})
        case Comparison(path=("status",), comparator=Comparator.NOT_EQUAL, value=value):
            return EVERY_STATUS - {JobStatus(str(value))}
        case Not(part=Comparison(path=("status",)) as part):
            return EVERY_STATUS - _statuses(part)
        case And(parts=parts):
            return EVERY_STATUS.intersection(*map(_statuses, parts))
        case Or(parts=parts):
            return frozenset[JobStatus]().union(*map(_statuses, parts))
        case Comparison() | Not():
            return EVERY_STATUS
        case _:
            assert_never(node)


def _enclosed(node: Node) -> str:
    return f"({_rendered(node)})"


def _rendered_comparison(comparison: Comparison) -> str:
    path = "$" + "".join(f".{json.dumps(name)}" for name in comparison.path)
    value = json.dumps(comparison.value) if isinstance(comparison.value, str) else f"{Decimal(comparison.value):f}"
    match comparison.comparator:
        case Comparator.EQUAL:
            return f"{path} == {value}"
        case Comparator.NOT_EQUAL:
            # A missing member is nothing, and nothing is neither == nor != to a value: so the opposite of ==.
            return f"!({path} == {value})"
        case Comparator.LESS | Comparator.LESS_OR_EQUAL | Comparator.GREATER | Comparator.GREATER_OR_EQUAL:
            return f"{path} {comparison.comparator} {value}"
        case _:
            assert_never(comparison.comparator)
