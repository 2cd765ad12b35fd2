import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from gosynq_server.cli.options import configured
from gosynq_server.config import Config, settings_of


def command_of(seen: list[Config], *, without: frozenset[str] = frozenset()) -> Callable[..., None]:
    @configured(Config, without=without)
    def command(config: Config, *, loud: bool = False) -> None:
        seen.append(config)

    return command


def run(command: Callable[..., None], *arguments: str) -> None:
    app = typer.Typer()
    app.command()(command)
    result = CliRunner(env={"GOSYNQ_CONFIG": ""}).invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0


def test_every_setting_is_an_option() -> None:
    parameters: dict[str, Any] = dict(inspect.signature(command_of([])).parameters)
    assert list(parameters) == ["loud", *(setting.name for setting in settings_of(Config)), "config"]


def test_settings_that_a_command_has_no_use_for_are_left_out() -> None:
    assert "grpc_port" not in inspect.signature(command_of([], without=frozenset({"grpc_port"}))).parameters


def test_options_become_settings(tmp_path: Path) -> None:
    seen: list[Config] = []
    file = tmp_path / "gosynq.toml"
    file.write_text("concurrency = 7", encoding="utf-8")
    run(
        command_of(seen),
        "--config",
        str(file),
        "--grpc-port",
        "0",
        "--no-reflection",
        "--queue",
        "a",
        "--queue",
        "b,c",
        "--loud",
    )
    assert seen == [Config(concurrency=7, grpc_port=0, reflection=False, queues=("a", "b", "c"))]


def test_an_option_that_is_not_given_says_nothing() -> None:
    seen: list[Config] = []
    run(command_of(seen))
    assert seen == [Config()]
