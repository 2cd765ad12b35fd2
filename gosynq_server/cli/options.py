"""The options of commands that are settings too: made from the table of settings, read with the other sources."""

from __future__ import annotations

import inspect
from dataclasses import fields, is_dataclass
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, TypeVar, get_type_hints

import typer

from gosynq_server.config import ClientConfig, Config, Setting, load, settings_of
from gosynq_server.config.durations import format_duration
from gosynq_server.config.paths import FileToRead, FileToWrite, Location
from gosynq_server.config.rules import Length, Real, Several, Switch, Whole

if TYPE_CHECKING:
    from collections.abc import Callable

_Parameters = ParamSpec("_Parameters")
_AnyConfig = TypeVar("_AnyConfig", bound=Config | ClientConfig)

_METAVARS = {Whole: "NUMBER", Real: "NUMBER", Length: "DURATION"} | dict.fromkeys(
    (Location, FileToRead, FileToWrite), "PATH"
)
_FILE = "config"
_FILE_OPTION = Annotated[
    Path | None, typer.Option("--config", metavar="PATH", help="A TOML file with settings. (env: GOSYNQ_CONFIG)")
]


def configured(
    config_class: type[_AnyConfig], *, without: frozenset[str] = frozenset()
) -> Callable[[Callable[Concatenate[_AnyConfig, _Parameters], None]], Callable[..., None]]:
    """Give a command its settings as first argument, and an option for each of them but those without.

    A parameter of the command that is a dataclass is a group of options, one for each of its fields.
    """
    settings = [setting for setting in settings_of(config_class) if setting.name not in without]

    def decorate(command: Callable[Concatenate[_AnyConfig, _Parameters], None]) -> Callable[..., None]:
        groups = _groups_of(command)

        @wraps(command)
        def run(*own: _Parameters.args, **arguments: _Parameters.kwargs) -> None:
            file: Any = arguments.pop(_FILE)
            flags = {setting.name: _given(arguments.pop(setting.name)) for setting in settings}
            for name, group in groups.items():
                arguments[name] = group(**{each.name: arguments.pop(each.name) for each in fields(group)})
            command(load(config_class, flags, file=file), *own, **arguments)

        return _with_signature(run, command, settings)

    return decorate


def _with_signature(
    run: Callable[..., None], command: Callable[..., None], settings: list[Setting]
) -> Callable[..., None]:
    """Show typer the command's own parameters but the first, then the settings, then the file."""
    own = [each for parameter in _own(command) for each in _expanded(parameter)]
    options = [_parameter(setting.name, _option(setting)) for setting in settings]
    dressed: Any = run
    dressed.__signature__ = inspect.Signature(
        sorted([*own, *options, _parameter(_FILE, _FILE_OPTION)], key=lambda parameter: parameter.kind)
    )
    dressed.__annotations__ = {}
    return run


def _own(command: Callable[..., None]) -> list[inspect.Parameter]:
    return list(inspect.signature(command, eval_str=True).parameters.values())[1:]


def _groups_of(command: Callable[..., None]) -> dict[str, Any]:
    return {parameter.name: parameter.annotation for parameter in _own(command) if is_dataclass(parameter.annotation)}


def _expanded(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    if not is_dataclass(parameter.annotation):
        return [parameter]
    said = get_type_hints(parameter.annotation, include_extras=True)
    return [
        inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=said[each.name])
        for each in fields(parameter.annotation)
    ]


def _parameter(name: str, annotation: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _option(setting: Setting) -> object:
    kind: object = list[str] | None if isinstance(setting.rule, Several) else str | None
    flag = setting.flag
    metavar: str | None = _METAVARS.get(type(setting.rule), "TEXT")
    if isinstance(setting.rule, Switch):
        kind, flag, metavar = bool | None, f"{flag}/--no-{flag.removeprefix('--')}", None
    told = f"{setting.help} (env: {setting.variable}{_default(setting.default)})"
    return Annotated[kind, typer.Option(flag, help=told, metavar=metavar, show_default=False)]


def _given(value: object) -> object:
    """Read what typer gives for a repeatable option that was not given as what it gives for others."""
    return None if value == [] else value


def _default(default: object) -> str:
    if default is None or default == ():
        return ""
    if isinstance(default, bool):
        return f"; default: {'on' if default else 'off'}"
    return f"; default: {format_duration(default) if isinstance(default, timedelta) else default}"
