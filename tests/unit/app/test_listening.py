import socket
import sys
from collections.abc import Callable, Iterator

import pytest

from gosynq_server.app.listening import AddressTaken, address_of, listen, listen_by
from gosynq_server.rpc.server import PortTaken


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def refusing(address: str) -> int:
    """Refuse as gRPC does: without a word of why."""
    raise PortTaken(address)


def by_grpc(host: str, port: int) -> None:
    listen_by(refusing, host, port, flag="--x-port")


def by_socket(host: str, port: int) -> None:
    listen(host, port, flag="--x-port")


@pytest.mark.parametrize("listening", [by_grpc, by_socket])
def test_a_port_that_is_taken_is_told_in_the_same_words_by_all(
    taken: int, listening: Callable[[str, int], None]
) -> None:
    with pytest.raises(AddressTaken) as refused:
        listening("127.0.0.1", taken)
    assert str(refused.value) == (
        f"Can't listen on 127.0.0.1:{taken}: Address already in use. "
        "Name another port by --x-port, 0 being any free one, or another --host."
    )


@pytest.mark.parametrize("listening", [by_grpc, by_socket])
@pytest.mark.parametrize(
    ("host", "problem"),
    [
        ("192.0.2.1", "Cannot assign requested address"),
        ("nosuch.invalid", "Name or service not known"),
        ("a..b", "it is no host name"),
    ],
)
def test_a_host_that_is_none_of_this_machine_is_told_by_what_is_wrong(
    host: str, problem: str, listening: Callable[[str, int], None]
) -> None:
    with pytest.raises(AddressTaken, match=f"^Can't listen on {host}:50051: {problem}. "):
        listening(host, 50051)


def test_a_port_that_was_free_again_by_the_time_of_asking_is_told_too() -> None:
    with pytest.raises(AddressTaken, match="it was taken a moment ago"):
        by_grpc("127.0.0.1", 0)


def test_an_address_is_written_so_that_its_port_can_be_told() -> None:
    assert (address_of("::1", 1), address_of("h", 1)) == ("[::1]:1", "h:1")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can limit this")
def test_a_connection_whose_peer_takes_nothing_is_cut_off_after_a_time() -> None:
    with listen("127.0.0.1", 0, flag="--x-port") as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 90_000
