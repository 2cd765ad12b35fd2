"""Which figures are measured: those that were asked for, less what cannot be run here."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from bench.peers.catalogue import Peer


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The names of the figures in their order, and what there is to say: a refusal ends it."""

    names: tuple[str, ...] = ()
    refusal: str = ""
    note: str = ""


def choose(patterns: Sequence[str], known: Collection[str], missing: Mapping[str, Peer]) -> Choice:
    """Choose by names and patterns, or all.

    A missing peer's figures are left out and named, unless one was asked for that matches nothing else.
    """
    matched = {pattern: _matching(pattern, known) for pattern in patterns or ("*",)}
    if unknown := [pattern for pattern, names in matched.items() if not names]:
        return Choice(refusal=f"no such figure: {', '.join(unknown)}")
    if absent := {name: missing[name] for names in matched.values() if names <= missing.keys() for name in names}:
        return Choice(refusal=_not_installed(absent))
    wanted = [name for name in known if any(name in names for names in matched.values())]
    left_out = {name: missing[name] for name in wanted if name in missing}
    return Choice(
        names=tuple(name for name in wanted if name not in missing),
        note=f"left out, {_not_installed(left_out)}" if left_out else "",
    )


def _matching(pattern: str, known: Collection[str]) -> set[str]:
    return {name for name in known if fnmatchcase(name, pattern)}


def _not_installed(missing: Mapping[str, Peer]) -> str:
    peers = {peer.name: peer for peer in missing.values()}
    commands = {f"make bench-peers-{peer.language}" for peer in peers.values()}
    return f"not installed: {', '.join(sorted(peers))}; {', '.join(sorted(commands))}"
