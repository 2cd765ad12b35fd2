"""Refuse Python files above 400 lines and function bodies above 40; generated code is left out.

Usage: python tools/check_sizes.py [PATH...]
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("gosynq_server", "gosynq_client", "tools", "tests", "bench")
INSTALLED = {".venv", "node_modules"}
MAX_FILE_LINES = 400
MAX_BODY_LINES = 40


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function's body, without its docstring and with everything nested inside."""
    statements = function.body
    if ast.get_docstring(function, clean=False) is not None:
        statements = statements[1:]
    if not statements:
        return 0
    return (statements[-1].end_lineno or 0) - first_line(statements[0]) + 1


def first_line(statement: ast.stmt) -> int:
    """Tell where a statement begins; decorators count."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and statement.decorator_list:
        return statement.decorator_list[0].lineno
    return statement.lineno


def oversize(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, finding) for what is too long in the source of one file."""
    lines = len(source.splitlines())
    if lines > MAX_FILE_LINES:
        yield 1, f"file of {lines} lines, at most {MAX_FILE_LINES} are allowed"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (count := body_lines(node)) > MAX_BODY_LINES:
            yield node.lineno, f"{node.name} has a body of {count} lines, at most {MAX_BODY_LINES} are allowed"


def main(arguments: list[str]) -> int:
    """Check the named files, or the project's; return the exit status."""
    paths = [Path(argument) for argument in arguments] or sorted(
        path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if not INSTALLED & set(path.parts)
    )
    findings = [f"{path}:{line}: {text}" for path in paths for line, text in oversize(path.read_text(encoding="utf-8"))]
    print("\n".join(findings), end="\n" if findings else "")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
