"""Where an operation has its truth, bound, strategy and mutants: the file of its `home`, one in each folder."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

from .operations import OPERATIONS


def home(package: str | None, operation: str) -> ModuleType:
    """The file of an operation's home in a folder, such as "softproof.truth". Raises: ImportError where there is none.

    >>> home("softproof.truth", "log_softmax").__name__
    'softproof.truth.softmax'
    """
    name = f"{package}.{OPERATIONS[operation].home}"
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ImportError(f"{operation} has no {name.replace('.', '/')}.py") from error


def in_home(package: str | None, operation: str, name: str) -> Any:
    """What that file calls `name`. Raises: ImportError where it has nothing of that name."""
    file = home(package, operation)
    if not hasattr(file, name):
        raise ImportError(f"{operation} has no {name} in {file.__name__.replace('.', '/')}.py")
    return getattr(file, name)


def functions(package: str | None) -> dict[str, Any]:
    """For each operation the function of its name."""
    return {operation: in_home(package, operation, operation) for operation in OPERATIONS}


def entries(package: str | None, name: str) -> dict[str, Any]:
    """For each operation its entry in a dictionary that is called `name`."""
    tables = {operation: in_home(package, operation, name) for operation in OPERATIONS}
    for operation, table in tables.items():
        if operation not in table:
            raise ImportError(f"{operation} has no entry in {name} of {home(package, operation).__name__}")
    return {operation: table[operation] for operation, table in tables.items()}
