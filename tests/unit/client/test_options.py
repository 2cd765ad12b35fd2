from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from gosynq_client import ClientOptions, TlsOptions


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "é", "tab\t"])
def test_a_token_that_no_header_can_hold_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="a token is printable ASCII"):
        ClientOptions(token=token)


@pytest.mark.parametrize("timeout", [timedelta(), timedelta(seconds=-1)])
def test_a_time_out_of_nothing_is_refused(timeout: timedelta) -> None:
    with pytest.raises(ValueError, match="call_timeout"):
        ClientOptions(call_timeout=timeout)


@pytest.mark.parametrize("half", [{"cert": Path("cert.pem")}, {"key": b"key"}])
def test_a_certificate_and_its_key_go_together(half: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match="cert and key go together"):
        TlsOptions(**half)


def test_secrets_are_not_shown() -> None:
    options = ClientOptions(token="s3cret", tls=TlsOptions(cert=b"cert", key=b"s3cret"))

    assert "s3cret" not in repr(options)
