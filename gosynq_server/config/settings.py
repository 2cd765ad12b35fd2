"""The table of settings: a config class's annotations say each one's rule and meaning, and all sources read that."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, get_type_hints

if TYPE_CHECKING:
    from gosynq_server.config.rules import Rule

PREFIX = "GOSYNQ_"


@dataclass(frozen=True, slots=True)
class Means:
    """The annotation of a config class's field. flag is set where the flag's name is not the field's."""

    rule: Rule
    help: str
    flag: str = ""
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting: its name in TOML, as a variable and as a flag, what it may be, and what it is without being said."""

    name: str
    variable: str
    flag: str
    rule: Rule
    help: str
    default: Any
    secret: bool


def settings_of(config_class: type) -> tuple[Setting, ...]:
    """Give the settings that a config class is made of, in its order."""
    hints = get_type_hints(config_class, include_extras=True)
    return tuple(
        _setting(field.name, hints[field.name].__metadata__[0], field.default) for field in fields(config_class)
    )


def _setting(name: str, means: Means, default: Any) -> Setting:
    return Setting(
        name=name,
        variable=PREFIX + name.upper(),
        flag=means.flag or "--" + name.replace("_", "-"),
        rule=means.rule,
        help=means.help,
        default=default,
        secret=means.secret,
    )
