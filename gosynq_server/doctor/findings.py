"""What an examination comes to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Whether a thing is as it should be."""

    FINE = "fine"
    WARNING = "warning"
    """It works, but not as well as it could, or not for long."""
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was looked at, how it is, and what to do about it if it is not fine."""

    check: str
    verdict: Verdict
    message: str
    advice: str = ""


def fine(check: str, message: str) -> Finding:
    """Find nothing wrong."""
    return Finding(check=check, verdict=Verdict.FINE, message=message)


def warning(check: str, message: str, advice: str) -> Finding:
    """Find something that works, and could be better."""
    return Finding(check=check, verdict=Verdict.WARNING, message=message, advice=advice)


def wrong(check: str, message: str, advice: str) -> Finding:
    """Find something that keeps a server from its promises."""
    return Finding(check=check, verdict=Verdict.WRONG, message=message, advice=advice)
