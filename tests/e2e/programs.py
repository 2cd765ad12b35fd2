"""Programs of other makers that speak to the server; where one is missing its tests are skipped, except under CI."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest


def found(program: str) -> str:
    """Give where a program is, or skip the test."""
    place = shutil.which(program)
    if place is None:
        assert os.environ.get("CI") != "true", f"{program} is missing"
        pytest.skip(f"{program} is not on the path")
    return place


def run(program: str, *arguments: str) -> str:
    """Run a program to its good end, and give what it printed."""
    done = subprocess.run([found(program), *arguments], check=False, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
