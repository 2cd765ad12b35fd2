"""Who could not be reached, and who answered that it can't."""

from __future__ import annotations

import pytest

from gosynq_client import Unavailable
from gosynq_client.errors import ErrorDetails
from gosynq_server.cli.connection import NoServer, reaching


def test_where_nobody_answered_the_target_is_named() -> None:
    with pytest.raises(NoServer, match=r"No server answers at host:1 \(refused\)"), reaching("host:1"):
        raise Unavailable("refused", ErrorDetails(code="UNAVAILABLE"))


def test_what_a_server_says_of_itself_is_passed_on() -> None:
    with pytest.raises(Unavailable, match="the server drains"), reaching("host:1"):
        raise Unavailable("the server drains", ErrorDetails(code="UNAVAILABLE", reason="SERVER_DRAINING"))
