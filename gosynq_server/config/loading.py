"""Read the settings: flags win over the environment, and that over the file; every wrong one is refused."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gosynq_server.config.checks import contradictions
from gosynq_server.config.client import ClientConfig
from gosynq_server.config.errors import ConfigError, Problem
from gosynq_server.config.server import Config
from gosynq_server.config.settings import PREFIX, Setting, settings_of
from gosynq_server.config.worker import WorkerConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

AnyConfig = TypeVar("AnyConfig", bound=Config | ClientConfig)

FILE_VARIABLE = PREFIX + "CONFIG"

_KNOWN = {
    setting.name: setting
    for config_class in (WorkerConfig, ClientConfig, Config)
    for setting in settings_of(config_class)
}
# Kubernetes makes such variables for every service whose name begins with gosynq; the tests' own begin with TEST_.
_FOREIGN = re.compile(PREFIX + r"(?:TEST_\w+|(?:\w+_)?SERVICE_(?:HOST|PORT(?:_\w+)?)|(?:\w+_)?PORT(?:_\d+_\w+)?)")
# What our clients in other languages read, and no command does: one that runs where they do takes no offence.
_OF_CLIENTS = frozenset({PREFIX + "QUEUE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """A value that some source has for a setting."""

    name: str
    value: object
    source: str


def load(
    config_class: type[AnyConfig],
    flags: Mapping[str, object] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> AnyConfig:
    """Return the settings; flags are by field name, None meaning not given, and so is an empty variable.

    The file is the one named by GOSYNQ_CONFIG unless given. Raises ConfigError with every problem there is, values
    that a stronger source overrides included.
    """
    given, problems = _collect(flags or {}, os.environ if environment is None else environment, file)
    values, refused = _read(given, {setting.name: setting for setting in settings_of(config_class)})
    if problems or refused:
        raise ConfigError(*problems, *refused)
    config = config_class(**values)
    if contradicting := contradictions(config):
        raise ConfigError(*contradicting)
    return config


def _collect(
    flags: Mapping[str, object], environment: Mapping[str, str], file: Path | None
) -> tuple[list[_Given], list[Problem]]:
    """Gather what all sources say, the weakest first."""
    variables = {name: value for name, value in environment.items() if name.startswith(PREFIX) and value}
    given, problems = _file_values(file, variables)
    given += _variable_values(variables)
    given += [_Given(name=name, value=value, source=_KNOWN[name].flag) for name, value in flags.items()]
    return given, [*problems, *_unknown_variables(variables)]


def _read(given: list[_Given], settings: Mapping[str, Setting]) -> tuple[dict[str, Any], list[Problem]]:
    """Read what was given for some settings; of one name there may be others, with a rule of their own."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for each in given:
        setting = settings.get(each.name)
        if setting is None or each.value is None:
            continue
        try:
            values[each.name] = setting.rule.read(each.value)
        except ValueError:
            shown = "the value" if setting.secret else repr(each.value)
            description = f"{shown} is not {setting.rule.allowed}"
            problems.append(Problem(name=each.name, source=each.source, description=description))
    return values, problems


def _file_values(file: Path | None, variables: Mapping[str, str]) -> tuple[list[_Given], list[Problem]]:
    source = "--config"
    if file is None:
        if FILE_VARIABLE not in variables:
            return [], []
        file, source = Path(variables[FILE_VARIABLE]), FILE_VARIABLE
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return [], [Problem(name="config", source=source, description=f"{file} cannot be read as TOML: {error}")]
    known = [_Given(name=key, value=value, source=str(file)) for key, value in document.items() if key in _KNOWN]
    unknown = [_unknown(key, str(file), list(_KNOWN)) for key in document if key not in _KNOWN]
    return known, unknown


def _variable_values(variables: Mapping[str, str]) -> Iterator[_Given]:
    for setting in _KNOWN.values():
        if setting.variable in variables:
            yield _Given(name=setting.name, value=variables[setting.variable], source=setting.variable)


def _unknown_variables(variables: Mapping[str, str]) -> Iterator[Problem]:
    known = [FILE_VARIABLE, *(setting.variable for setting in _KNOWN.values())]
    for name in sorted(set(variables) - set(known)):
        if name not in _OF_CLIENTS and not _FOREIGN.fullmatch(name):
            yield _unknown(name, "the environment", known)


def _unknown(name: str, source: str, known: list[str]) -> Problem:
    near = get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return Problem(name=name, source=source, description=f"there is no such setting{hint}")
