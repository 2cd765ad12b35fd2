import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import pytest

from gosynq_server.config import ClientConfig, Config, ConfigError, load, settings_of

WriteFile: TypeAlias = Callable[[str], Path]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def write_file(tmp_path: Path) -> WriteFile:
    def write(text: str) -> Path:
        path = tmp_path / "gosynq.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def problems(
    flags: Mapping[str, object] | None = None, environment: Mapping[str, str] | None = None, file: Path | None = None
) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load(Config, flags, environment=environment or {}, file=file)
    return str(refused.value).splitlines()


def test_nothing_said_gives_the_defaults() -> None:
    assert load(Config, environment={}) == Config()


def test_flags_win_over_the_environment_and_that_over_the_file(write_file: WriteFile) -> None:
    file = write_file('grpc_port = 1\nhttp_port = 1002\nlease_duration = "7s"\nqueues = ["a", "b"]\nreflection = false')
    config = load(
        Config,
        {"grpc_port": "3", "handlers": ["x.y"], "concurrency": None},
        environment={"GOSYNQ_GRPC_PORT": "2", "GOSYNQ_HTTP_PORT": "2002", "PATH": "/bin"},
        file=file,
    )
    assert config == Config(
        grpc_port=3,
        http_port=2002,
        lease_duration=timedelta(seconds=7),
        queues=("a", "b"),
        handlers=("x.y",),
        reflection=False,
    )


def test_the_environment_may_name_the_file(write_file: WriteFile) -> None:
    file = write_file("concurrency = 3")
    assert load(Config, environment={"GOSYNQ_CONFIG": str(file)}).concurrency == 3


def test_a_flag_names_a_file_over_the_environment(write_file: WriteFile) -> None:
    environment = {"GOSYNQ_CONFIG": "/nowhere.toml"}
    assert load(Config, environment=environment, file=write_file("concurrency = 3")).concurrency == 3


def test_an_empty_variable_says_nothing() -> None:
    assert load(Config, environment={"GOSYNQ_DATABASE_URL": "", "GOSYNQ_GRPC_PORT": ""}) == Config()


def test_a_switch_can_be_turned_off_by_its_flag() -> None:
    assert load(Config, {"reflection": False}, environment={"GOSYNQ_REFLECTION": "on"}).reflection is False


def test_every_wrong_value_is_told_with_its_name_source_and_range(write_file: WriteFile) -> None:
    file = write_file('concurrency = "many"')
    assert problems({"grpc_port": "99999"}, {"GOSYNQ_LEASE_DURATION": "30"}, file) == [
        f"concurrency (from {file}): 'many' is not a whole number from 1 to 10000",
        "lease_duration (from GOSYNQ_LEASE_DURATION): '30' is not a duration from 1s to 12h, such as 30s, 5m or 1h30m",
        "grpc_port (from --grpc-port): '99999' is not a whole number from 0 to 65535",
    ]


def test_a_wrong_value_is_refused_even_where_a_stronger_source_overrides_it() -> None:
    assert problems({"grpc_port": "1"}, {"GOSYNQ_GRPC_PORT": "x"}) == [
        "grpc_port (from GOSYNQ_GRPC_PORT): 'x' is not a whole number from 0 to 65535"
    ]


def test_a_secret_is_never_told() -> None:
    [line] = problems(environment={"GOSYNQ_DATABASE_URL": "mysql://me:secret@host/db"})
    assert "secret" not in line
    assert "secret" not in repr(Config(database_url="postgresql://me:secret@host/db"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("grpc_prot = 1", "grpc_prot (from {file}): there is no such setting; did you mean grpc_port?"),
        ("zzz = 1", "zzz (from {file}): there is no such setting"),
        ("[server]\nx = 1", "server (from {file}): there is no such setting"),
    ],
)
def test_an_unknown_key_of_the_file_is_refused(write_file: WriteFile, text: str, line: str) -> None:
    file = write_file(text)
    assert problems(file=file) == [line.format(file=file)]


def test_an_unknown_variable_is_refused_with_the_nearest_name() -> None:
    assert problems(environment={"GOSYNQ_HTTP_PROT": "1"}) == [
        "GOSYNQ_HTTP_PROT (from the environment): there is no such setting; did you mean GOSYNQ_HTTP_PORT?"
    ]


@pytest.mark.parametrize(
    "name",
    [
        "GOSYNQ_SERVICE_HOST",
        "GOSYNQ_SERVICE_PORT_GRPC",
        "GOSYNQ_API_SERVICE_PORT",
        "GOSYNQ_PORT",
        "GOSYNQ_PORT_50051_TCP_ADDR",
        "GOSYNQ_TEST_POSTGRES_BIN",
    ],
)
def test_variables_that_kubernetes_and_the_tests_make_are_let_be(name: str) -> None:
    assert load(Config, environment={name: "tcp://10.0.0.1:50051"}) == Config()


def test_every_variable_that_our_clients_and_the_conformance_kit_speak_of_is_let_be() -> None:
    pages = [*ROOT.glob("clients/*.md"), *ROOT.glob("clients/*/README.md"), ROOT / "gosynq_server/conformance/kit.py"]
    names = {name for page in pages for name in re.findall(r"\bGOSYNQ_[A-Z_]+\b", page.read_text(encoding="utf-8"))}
    assert {"GOSYNQ_TARGET", "GOSYNQ_QUEUE", "GOSYNQ_WORKER_ID"} <= names
    said = dict.fromkeys(names, "mail") | {"GOSYNQ_TARGET": "localhost:50051"}
    assert load(Config, environment=said) == Config()


def test_a_name_close_to_a_clients_variable_is_refused() -> None:
    assert problems(environment={"GOSYNQ_QEUE": "mail"}) == [
        "GOSYNQ_QEUE (from the environment): there is no such setting; did you mean GOSYNQ_QUEUES?"
    ]


@pytest.mark.parametrize("text", ["a = ", "\x00"])
def test_a_file_that_is_no_toml_is_refused(write_file: WriteFile, text: str) -> None:
    file = write_file(text)
    [line] = problems(file=file)
    assert line.startswith(f"config (from --config): {file} cannot be read as TOML: ")


def test_a_file_that_is_not_there_is_refused() -> None:
    [line] = problems(environment={"GOSYNQ_CONFIG": "/nowhere/gosynq.toml"})
    assert line.startswith("config (from GOSYNQ_CONFIG): /nowhere/gosynq.toml cannot be read as TOML: ")


def test_two_ports_that_are_the_same_are_refused() -> None:
    assert problems({"http_port": "50051"}) == ["grpc_port and http_port: both are 50051; change one"]


def test_free_ports_are_never_the_same() -> None:
    assert load(Config, {"http_port": "0", "grpc_port": "0"}, environment={}).http_port == 0


def test_a_longest_backoff_below_the_first_is_refused() -> None:
    assert problems({"backoff_initial": "2m", "backoff_max": "1m"}) == [
        "backoff_max: 1m is shorter than backoff_initial, 2m"
    ]


def test_one_file_and_environment_serve_clients_and_servers_alike(write_file: WriteFile) -> None:
    file = write_file('grpc_port = 1\ntarget = "elsewhere:1"')
    environment = {"GOSYNQ_TOKEN": "t", "GOSYNQ_HTTP_PORT": "2"}
    assert load(ClientConfig, environment=environment, file=file) == ClientConfig(target="elsewhere:1", token="t")
    assert load(Config, environment=environment, file=file) == Config(grpc_port=1, http_port=2)


def test_no_name_means_two_settings() -> None:
    names = [setting.name for config_class in (Config, ClientConfig) for setting in settings_of(config_class)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("config_class", [Config, ClientConfig])
def test_every_default_keeps_its_own_rule(config_class: type) -> None:
    for setting in settings_of(config_class):
        if setting.default is not None and not isinstance(setting.default, timedelta):
            assert setting.rule.read(setting.default) == setting.default
