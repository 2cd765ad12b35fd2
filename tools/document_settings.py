"""Write docs/configuration.md from the table of settings that the server itself reads.

Usage: python tools/document_settings.py
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from gosynq_server.config.client import ClientConfig
from gosynq_server.config.durations import format_duration
from gosynq_server.config.server import Config
from gosynq_server.config.settings import Setting, settings_of
from gosynq_server.config.worker import WorkerConfig

DOCUMENT = Path(__file__).resolve().parent.parent / "docs/configuration.md"
OPENING = """# Configuration

A flag wins over a variable of the environment, and that over the TOML file that `--config` or `GOSYNQ_CONFIG` names;
in the file a setting has the variable's name without `GOSYNQ_`, in lower case. A wrong value is refused at the start,
with its name and what is allowed. So is a variable that begins with `GOSYNQ_` and is none of these; but `GOSYNQ_QUEUE`,
which the [clients](../clients/README.md) in other languages read, is let be. Lengths of time are written as `500ms`,
`30s`, `5m`, `1h30m` or `14d`.

This page is made by `make docs` from the table that the program reads.
"""
HEAD = "| flag | variable | default | allowed | meaning |\n| --- | --- | --- | --- | --- |\n"


def shown(value: object) -> str:
    """Write a default as one would set it."""
    match value:
        case None | "" | ():
            return ""
        case bool():
            return f"`{str(value).lower()}`"
        case timedelta():
            return f"`{format_duration(value)}`"
        case _:
            return f"`{value}`"


def row(setting: Setting) -> str:
    """Write the table row of one setting."""
    cells = (f"`{setting.flag}`", f"`{setting.variable}`", shown(setting.default), setting.rule.allowed, setting.help)
    return f"| {' | '.join(cells)} |\n"


def document() -> str:
    """Write the whole page."""
    shared = settings_of(ClientConfig)
    own = [setting for setting in settings_of(WorkerConfig) if setting not in shared]
    sections = (
        ("The server", "", settings_of(Config)),
        ("The commands that talk to a server", "", shared),
        ("The worker", "It takes those of the commands that talk to a server as well, and these:\n\n", own),
    )
    parts = [OPENING]
    for title, told, settings in sections:
        parts += [f"\n## {title}\n\n", told, HEAD, *(row(setting) for setting in settings)]
    return "".join(parts)


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
