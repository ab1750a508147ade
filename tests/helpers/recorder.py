"""Which public functions a table of calls calls."""

from __future__ import annotations

from types import ModuleType
from typing import Any


class PublicRecorder:
    """A module that remembers which of its names were used."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.used: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.used.add(name)
        return getattr(self.module, name)


def public(module: ModuleType) -> set[str]:
    """The names of what can be called in a module."""
    names = [name for name in dir(module) if not name.startswith("_")]
    return {name for name in names if callable(getattr(module, name))}
