"""Options that come by name, checked where a type checker did not: a misspelt filter would mean everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LISTS = frozenset({"statuses", "queues", "kinds", "types", "job_ids", "priorities"})


def check_options(given: Mapping[str, object], options: type) -> None:
    """Raise TypeError for an option that a TypedDict has not, and for a text where several values are meant."""
    known = options.__annotations__
    for name, value in given.items():
        if name not in known:
            raise TypeError(f"there is no option {name!r}; there are {', '.join(known)}")
        if name in _LISTS:
            check_list(name, value)


def check_list(name: str, value: object) -> None:
    """Raise TypeError for a text where several are meant: it would be taken for its letters."""
    if isinstance(value, str):
        raise TypeError(f"{name} is a list of texts, not one text: [{value!r}]")
