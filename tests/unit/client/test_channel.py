from __future__ import annotations

import pytest

from gosynq_client.channel import is_loopback


@pytest.mark.parametrize(
    "target",
    [
        "localhost",
        "localhost:50051",
        "LOCALHOST:50051",
        "127.0.0.1:50051",
        "127.8.9.10:1",
        "[::1]:50051",
        "dns:localhost:50051",
        "dns:///127.0.0.1:50051",
        "ipv4:127.0.0.1:50051",
        "ipv4:127.0.0.1:50051,127.0.0.2:50051",
        "ipv6:[::1]:50051",
        "unix:/run/gosynq.sock",
        "unix:///run/gosynq.sock",
        "unix-abstract:gosynq",
    ],
)
def test_a_target_on_this_machine_is_known(target: str) -> None:
    assert is_loopback(target)


@pytest.mark.parametrize(
    "target",
    [
        "",
        "jobs.example.org:50051",
        "localhost.example.org:50051",
        "localhost@jobs.example.org:50051",
        "10.0.0.1:50051",
        "0.0.0.0:50051",
        "[2001:db8::1]:50051",
        "[::1",
        "dns:///jobs.example.org:50051",
        "dns://192.0.2.1/localhost:50051",
        "ipv4:127.0.0.1:50051,10.0.0.1:50051",
        "xds:///localhost",
        "vsock:1:50051",
    ],
)
def test_any_other_target_may_be_elsewhere(target: str) -> None:
    assert not is_loopback(target)
