"""Finds handlers in a module named on a command line."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from gosynq_client.worker.handlers import Handlers

if TYPE_CHECKING:
    from types import ModuleType


class HandlersNotLoaded(Exception):
    """There are no handlers under a name; the message says why, for the person who wrote it."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"no handlers from {name!r}: {why}")
        self.name = name


def load_handlers(name: str) -> Handlers:
    """Import "package.module" and merge all Handlers in it, or take the one of "package.module:attribute".

    The import path is as it is: a caller that wants the working directory on it puts it there. Raises
    HandlersNotLoaded; DuplicateKind if two of the merged ones have a handler for one kind.
    """
    module_name, colon, attribute = name.partition(":")
    if not all(part.isidentifier() for part in module_name.split(".")) or (colon and not attribute):
        raise HandlersNotLoaded(name, "it reads MODULE or MODULE:NAME, a module being a dotted name such as app.jobs")
    module = _import(name, module_name)
    found = [_named(name, module, attribute)] if attribute else _all(name, module)
    merged = Handlers()
    for handlers in found:
        merged.include(handlers)
    if not merged.kinds:
        raise HandlersNotLoaded(name, "nothing is registered there")
    return merged


def _import(name: str, module_name: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if module_name == missing or module_name.startswith(f"{missing}."):
            raise HandlersNotLoaded(name, f"there is no module {missing!r} on the import path") from error
        raise HandlersNotLoaded(name, f"its import failed: {error}") from error
    except SystemExit as error:
        raise HandlersNotLoaded(name, f"its import ended in sys.exit({error.code!r})") from error
    except Exception as error:  # importing runs foreign code
        raise HandlersNotLoaded(name, f"its import failed: {type(error).__name__}: {error}") from error


def _named(name: str, module: ModuleType, attribute: str) -> Handlers:
    found = getattr(module, attribute, None)
    if found is None:
        raise HandlersNotLoaded(name, f"the module has no {attribute!r}")
    if not isinstance(found, Handlers):
        raise HandlersNotLoaded(name, f"{attribute!r} is no Handlers object but {type(found).__name__}")
    return found


def _all(name: str, module: ModuleType) -> list[Handlers]:
    # By identity: one object under two names is one.
    found = {id(value): value for value in vars(module).values() if isinstance(value, Handlers)}
    if not found:
        raise HandlersNotLoaded(name, "the module holds no Handlers object")
    return list(found.values())
