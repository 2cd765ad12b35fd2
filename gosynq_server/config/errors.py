"""What is wrong with the settings, told all at once so that one start is enough to learn it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One wrong setting: its name, where it came from if that matters, and what is wrong with it."""

    name: str
    source: str = ""
    description: str

    def __str__(self) -> str:
        origin = f" (from {self.source})" if self.source else ""
        return f"{self.name}{origin}: {self.description}"


class ConfigError(Exception):
    """The settings are wrong; nothing was started. The message has one line per problem."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
