"""The worker of each language in the conformance kit."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.e2e.cli.commands import GOSYNQ, environment
from tests.e2e.clients.examples import command_of

pytestmark = pytest.mark.timeout(300)


def test_the_worker_keeps_the_contract(language: str) -> None:
    done = subprocess.run(
        [*GOSYNQ, "conformance", "--json", "--", *command_of(language, "worker")],
        check=False,
        capture_output=True,
        text=True,
        timeout=270,
        env=environment(),
    )

    cases = [json.loads(line) for line in done.stdout.splitlines()]
    assert [case for case in cases if case.get("verdict") != "passed"] == []
    assert (done.returncode, bool(cases)) == (0, True)
