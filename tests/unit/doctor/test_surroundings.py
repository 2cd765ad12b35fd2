import socket
from collections.abc import Iterator

import pytest

from gosynq_server.config import Config
from gosynq_server.demo.ports import with_free_ports
from gosynq_server.doctor import Verdict
from gosynq_server.doctor.surroundings import binding_problem, judge_handlers, judge_ports, server_answers

FREE = Config(grpc_port=0, http_port=0, metrics_port=0, health_port=0)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_ports_that_are_to_be_picked_are_fine() -> None:
    assert {finding.verdict for finding in judge_ports(FREE, server_runs=False)} == {Verdict.FINE}


def test_a_port_that_is_taken_is_wrong_and_says_which_flag_helps(taken: int) -> None:
    config = Config(grpc_port=0, http_port=taken, metrics_port=0, health_port=0)
    [finding] = [each for each in judge_ports(config, server_runs=False) if each.verdict is not Verdict.FINE]
    assert (finding.check, finding.verdict) == ("http_port", Verdict.WRONG)
    assert finding.message == f"127.0.0.1:{taken} can't be bound: Address already in use"
    assert "--http-port" in finding.advice


def test_a_port_that_a_running_server_has_is_fine(taken: int) -> None:
    config = Config(grpc_port=taken, http_port=0, metrics_port=0, health_port=0)
    assert {finding.verdict for finding in judge_ports(config, server_runs=True)} == {Verdict.FINE}


def test_a_host_that_is_not_this_machine_cannot_be_bound() -> None:
    assert binding_problem("192.0.2.1", 50051)


async def test_nobody_answers_where_nobody_listens() -> None:
    assert not await server_answers(Config(grpc_port=1))


def test_handlers_that_can_be_imported_are_named_with_their_kinds() -> None:
    [finding] = judge_handlers(Config(handlers=("gosynq_server.demo.handlers",)))
    assert finding.verdict is Verdict.FINE
    assert "word_count" in finding.message


@pytest.mark.parametrize("name", ["no.such.module", "json", "gosynq_server.demo.handlers:nothing"])
def test_handlers_that_cannot_be_loaded_are_wrong(name: str) -> None:
    [finding] = judge_handlers(Config(handlers=(name,)))
    assert (finding.verdict, bool(finding.advice)) == (Verdict.WRONG, True)


def test_a_demonstration_takes_another_port_where_a_usual_one_is_taken(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gosynq_server.demo.ports._DEFAULTS", Config(http_port=taken))
    assert with_free_ports(Config(http_port=taken)).http_port == 0


def test_a_demonstration_keeps_a_port_that_was_asked_for(taken: int) -> None:
    assert with_free_ports(Config(http_port=taken)).http_port == taken
