"""Put the migrations into the wheel, beside the code that runs them."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class MigrationsHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's parameter is its own configuration
    """Ship migrations/ as gosynq_server/migrations in a standard wheel.

    An editable install reads the repository's own folder: a copy would stay behind beside it and grow stale.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the folder to the files of this build, unless it is an editable one."""
        if version == "standard":
            build_data["force_include"]["migrations"] = "gosynq_server/migrations"
