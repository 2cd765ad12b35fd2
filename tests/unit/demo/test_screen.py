import io
import multiprocessing
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from gosynq_client import JobStatus
from gosynq_server.demo.screen import Screen, print_next_steps, print_summary
from gosynq_server.demo.server import RunningServer
from gosynq_server.demo.summary import summarize
from tests.unit.demo.test_summary import ERROR, PLAN, job


def screen(*, terminal: bool) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=terminal, width=120, highlight=False), out


def test_a_terminal_shows_a_table_that_is_drawn_anew() -> None:
    console, out = screen(terminal=True)
    with Screen(console) as shown:
        shown.show([job("1", status=JobStatus.PENDING)])
        shown.show([job("1"), job("2", kind="b")])
    assert "\x1b[" in out.getvalue()
    assert "all" in out.getvalue()


def test_elsewhere_a_line_is_said_whenever_something_changed() -> None:
    console, out = screen(terminal=False)
    with Screen(console) as shown:
        shown.show([job("1", status=JobStatus.PENDING)])
        shown.show([job("1", status=JobStatus.PENDING)])
        shown.show([job("1")])
    assert out.getvalue() == "0 of 1 jobs are over\n1 of 1 jobs are over\n"


def test_a_summary_tells_every_surprise() -> None:
    console, out = screen(terminal=False)
    print_summary(console, summarize({"1": PLAN, "2": PLAN}, [job("1")], []))
    assert "not as planned: a 2 is gone\n" in out.getvalue()
    assert "Every job" not in out.getvalue()


def test_a_stranger_s_words_in_a_surprise_stay_words() -> None:
    console, out = screen(terminal=True)
    error = replace(ERROR, message="[red]x\x1b[2J")
    failed = replace(job("1", status=JobStatus.FAILED), last_error=error)
    print_summary(console, summarize({"1": PLAN}, [failed], []))
    assert "Boom: [red]x\\x1b[2J" in out.getvalue()


def test_the_next_steps_name_the_addresses_that_are_bound() -> None:
    console, out = screen(terminal=False)
    process = multiprocessing.get_context("spawn").Process()
    server = RunningServer(grpc="h:1", http="h:2", metrics="h:3", process=process, log=Path("/srv/[bold]/server.log"))
    print_next_steps(console, server)
    for step in ("grpcurl -plaintext h:1 list", "http://h:2/api/v1/jobs", "http://h:3/metrics", "jobs list", "[bold]"):
        assert step in out.getvalue()
