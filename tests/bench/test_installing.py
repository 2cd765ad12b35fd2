"""What `make bench-peers` installs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bench.peers.catalogue import PEERS, Peer

FOLDER = Path(__file__).resolve().parents[2] / "bench" / "peers"
PACKAGES = json.loads((FOLDER / "node" / "package-lock.json").read_text())["packages"]
REQUIREMENTS = (FOLDER / "python" / "requirements.txt").read_text()
MODULES = (FOLDER / "go" / "go.mod").read_text()


def _version(peer: Peer) -> str:
    match peer.language:
        case "python":
            found = re.search(rf"^{peer.name}==(\S+)$", REQUIREMENTS, re.MULTILINE)
        case "node":
            return str(PACKAGES[f"node_modules/{peer.name}"]["version"])
        case _:
            found = re.search(rf"/{peer.name} v(\S+)$", MODULES, re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_the_page_names_each_peer_with_the_version_that_is_measured(peer: Peer) -> None:
    row = rf"^\| {peer.name} {re.escape(_version(peer))} \| {peer.language} \|"

    assert re.search(row, (FOLDER / "README.md").read_text(), re.MULTILINE | re.IGNORECASE)


def test_no_lock_names_where_its_packages_come_from() -> None:
    assert not [name for name, package in PACKAGES.items() if "resolved" in package]
    assert "://" not in REQUIREMENTS


def test_every_package_in_python_has_its_version() -> None:
    lines = [line for line in REQUIREMENTS.splitlines() if not line.startswith("#")]

    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
