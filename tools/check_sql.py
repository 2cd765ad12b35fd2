"""Hold the rules of the store's statements that a machine can see (gosynq_server/store/sql/*.sql).

Usage: python tools/check_sql.py [PATH...]
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATEMENTS = ROOT / "gosynq_server/store/sql"

NOISE = re.compile(r"--[^\n]*|/\*.*?\*/|(\$\w*\$).*?\1|'(?:[^']|'')*'", re.DOTALL)
# FROM and UPDATE that no table follows: extract(EPOCH FROM ...), IS DISTINCT FROM, row locks, ON CONFLICT.
TABLELESS = re.compile(
    r"\b(?:extract|substring|trim|overlay)\s*\([^()]*?\bFROM\b|\bDISTINCT\s+FROM\b|\bFOR\s+(?:NO\s+KEY\s+)?UPDATE\b"
    r"|\bDO\s+UPDATE\b|\bON\s+UPDATE\b",
    re.IGNORECASE,
)
TABLE = re.compile(
    r"\b(?:FROM|JOIN|INTO|USING|UPDATE)\s+(?:ONLY\s+)?(?:LATERAL\s+)?([a-z_][\w.]*)(\s*\()?", re.IGNORECASE
)
CTE = re.compile(r"(?:\bWITH(?:\s+RECURSIVE)?|,)\s+(\w+)(?:\s*\([^()]*\))?\s+AS\s+(?:NOT\s+)?(?:MATERIALIZED\s*)?\(")
WRONG_CLOCK = re.compile(r"\b(?:clock_timestamp|transaction_timestamp|now|timeofday|random)\s*\(", re.IGNORECASE)
CURRENT_CLOCK = re.compile(r"\b(?:current_(?:timestamp|date|time)|localtime(?:stamp)?)\b", re.IGNORECASE)
IN_SUBQUERY = re.compile(r"\bIN\s*\(\s*SELECT\b", re.IGNORECASE)
ROW_IN = re.compile(r"(?<!\w)\([^()]*,[^()]*\)\s+(?:NOT\s+)?IN\s*\(", re.IGNORECASE)
ROW_LOCK = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+UPDATE|UPDATE|KEY\s+SHARE|SHARE)\b", re.IGNORECASE)
SESSION_STATE = re.compile(
    r"^\s*(?:SET|RESET|LISTEN)\b|\bpg_(?:try_)?advisory_(?:un)?lock|\bset_config\s*\(", re.IGNORECASE
)
LOWER_KEYWORD = re.compile(
    r"\b(?:select|from|where|insert|into|update|delete|returning|with|join|order|group|having|limit|union|values|as|and|or)\b"
)


def bare(sql: str) -> str:
    """Blank out comments and literals, so that what is left is structure; positions stay."""
    return NOISE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), sql)


def header(sql: str) -> str:
    """Read the comment lines that a file begins with."""
    lines = sql.splitlines()
    length = next((index for index, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return "\n".join(lines[:length])


def enclosed(text: str, opening: int) -> str:
    """Read what stands between the parenthesis at a position and its partner."""
    depth = 0
    for position in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if depth == 0:
            return text[opening + 1 : position]
    return text[opening + 1 :]


def one_statement(sql: str) -> Iterator[str]:
    """Ask for one statement a file, so that it can be prepared under its own name."""
    statements = [part for part in bare(sql).split(";") if part.strip()]
    if len(statements) != 1:
        yield f"holds {len(statements)} statements, not one"


def told_header(sql: str) -> Iterator[str]:
    """Ask for a header that says the purpose and each parameter, since a $n has no name of its own."""
    head = header(sql)
    if not re.match(r"-- \S", head):
        yield "does not begin with a comment that says its purpose"
    told = set(re.findall(r"\$\d+", head))
    used = set(re.findall(r"\$\d+", bare(sql)))
    yield from (f"{name} is not told in the header" for name in sorted(used - told, key=lambda name: int(name[1:])))
    yield from (f"{name} is told and not used" for name in sorted(told - used, key=lambda name: int(name[1:])))


def named_schema(sql: str) -> Iterator[str]:
    """Ask for the schema before every table: no search_path decides what is read."""
    text = TABLELESS.sub(" ", bare(sql))
    known = {name.lower() for name in CTE.findall(text)}
    for match in TABLE.finditer(text):
        name, call = match.group(1).lower(), match.group(2)
        ours = name.startswith(("gosynq.", "pg_", "information_schema."))
        if not (ours or call or name in known or name in {"select", "lateral"}):
            yield f"table {name} does not name its schema"


def one_clock(sql: str) -> Iterator[str]:
    """Ask for the statement's time, and for chance as a parameter: a row gets the same answer on every node."""
    text = bare(sql)
    for pattern in (WRONG_CLOCK, CURRENT_CLOCK):
        yield from (
            f"{match.group().rstrip('( ')} is not statement_timestamp() or a parameter"
            for match in pattern.finditer(text)
        )


def bounded_locks(sql: str) -> Iterator[str]:
    """Refuse a locking subquery under IN: it may be run again for each row and lock far more than its LIMIT says."""
    text = bare(sql)
    for match in IN_SUBQUERY.finditer(text):
        if ROW_LOCK.search(enclosed(text, text.index("(", match.start()))):
            yield "locks rows in a subquery under IN; use a MATERIALIZED CTE or = ANY(ARRAY(...))"
    if ROW_IN.search(text):
        yield "compares a row with IN; join with unnest instead"


def no_session(sql: str) -> Iterator[str]:
    """Refuse what outlives its transaction, so that a pooled connection serves anyone."""
    if match := SESSION_STATE.search(bare(sql)):
        yield f"{match.group().strip()} keeps state in the session"


def upper_keywords(sql: str) -> Iterator[str]:
    """Ask for keywords in upper case."""
    found = sorted({match.group() for match in LOWER_KEYWORD.finditer(bare(sql))})
    yield from (f"keyword {word} in lower case" for word in found)


RULES: tuple[Callable[[str], Iterator[str]], ...] = (
    one_statement,
    told_header,
    named_schema,
    one_clock,
    bounded_locks,
    no_session,
    upper_keywords,
)


def findings(sql: str) -> list[str]:
    """Collect what all rules find in one file's text."""
    return [finding for rule in RULES for finding in rule(sql)]


def main(arguments: list[str]) -> int:
    """Check the named files, or the store's; return the exit status."""
    paths = [Path(argument) for argument in arguments] or sorted(STATEMENTS.glob("*.sql"))
    found = [f"{path}: {finding}" for path in paths for finding in findings(path.read_text(encoding="utf-8"))]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
