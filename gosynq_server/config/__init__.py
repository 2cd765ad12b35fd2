"""The settings: one frozen value from flags, environment and file, and the only reader of the environment."""

from gosynq_server.config.client import ClientConfig
from gosynq_server.config.errors import ConfigError, Problem
from gosynq_server.config.loading import load
from gosynq_server.config.server import Config
from gosynq_server.config.settings import Setting, settings_of
from gosynq_server.config.worker import WorkerConfig

__all__ = ["ClientConfig", "Config", "ConfigError", "Problem", "Setting", "WorkerConfig", "load", "settings_of"]
