"""A folder, or a file, in the place of a target: the function of each file, found without importing anything."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from warnings import catch_warnings

from ..candidates.loading import check_target_name
from ..candidates.plain_text import plain
from ..problem.operations import OPERATIONS
from ..reports.odd_files import read_file
from .options import target_name

BESIDE = ("_backward", "_jvp", "_hvp")  # functions that belong to another one
SHOWN = 5  # names in a message
_BLOCKS = (ast.If, ast.Try, ast.With, ast.ExceptHandler)


class Named(NamedTuple):
    """A target by its name; or a file without one, and why."""

    target: str
    why: str = ""


def named(
    targets: Sequence[str], function: str | None, operation: str | None, adapter: str | None
) -> tuple[Named, ...]:
    """The targets, and in the place of a folder or a file the function of each file, in the order of their names.

    It is the `function` of that name; by default the one that is named after the operation, or the only public one.
    Files whose names begin with an underscore are no candidates.

    Raises: ValueError for a folder without files or outside the working directory, a function without a folder, or a
        target that is given twice.
    """
    found = [(target, None if adapter in ("onnx", "process") else _files(target)) for target in targets]
    if function is not None and all(files is None for _, files in found):
        raise ValueError(f"--function is {function!r}, and no TARGET is a folder or a file; write TARGET:{function}")
    names = tuple(
        each
        for target, files in found
        for each in ([Named(target)] if files is None else [_of_file(file, function, operation) for file in files])
    )
    if twice := [each.target for each in names if names.count(each) > 1]:
        raise ValueError(f"TARGET {twice[0]} is given {len(twice)} times; expected each once")
    return names


def _files(target: str) -> list[Path] | None:
    """Those of a folder, or a file itself; None for another target. A package is one, unless a slash ends its name."""
    path = Path(target)
    if path.suffix == ".py" and path.is_file():
        return [path]
    if not path.is_dir() or (not target.endswith(("/", "\\")) and (path / "__init__.py").exists()):
        return None
    here = Path.cwd().resolve()
    if not path.resolve().is_relative_to(here):
        there = path.resolve()
        raise ValueError(
            f"TARGET {target} is a folder outside the working directory {here}; in {there.parent}, ask {there.name}"
        )
    if not (files := sorted(each for each in path.glob("*.py") if not each.name.startswith("_"))):
        raise ValueError(f"TARGET {target} is a folder without a Python file; expected some")
    return files


def _of_file(file: Path, function: str | None, operation: str | None) -> Named:
    try:
        target = target_name(f"{file.as_posix()}:{_function(file, function, operation)}")
        check_target_name(target)
    except (ValueError, OSError) as error:
        return Named(plain(file.as_posix()), plain(str(error)))
    return Named(target)


def _function(file: Path, function: str | None, operation: str | None) -> str:
    """The name of the one to be asked; ValueError where none is, or several are."""
    if function is not None:
        return function
    try:
        with catch_warnings(action="ignore"):  # of a strange escape in it
            body = ast.parse(read_file(file)).body
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"{file} is no Python: {type(error).__name__}: {error}") from error
    functions = _public(_functions(body))
    about = [operation] if operation else list(OPERATIONS)
    after = [each for each in dict.fromkeys([*functions, *_assigned(body)]) if each in about]
    chosen = after if len(after) == 1 else functions
    if len(chosen) != 1:
        has = (
            f"{len(functions)} public functions: {', '.join(functions[:SHOWN])}" if functions else "no public function"
        )
        more = ", …" if len(functions) > SHOWN else ""
        raise ValueError(
            f"{file} has {has}{more}; expected one, or one named {' or '.join(about)}; or name it: --function NAME"
        )
    return chosen[0]


def _public(names: Sequence[str]) -> list[str]:
    """Those that are no helpers, and no derivative of another one."""
    beside = {f"{name}{suffix}" for name in names for suffix in BESIDE}
    return [each for each in names if not each.startswith("_") and each not in beside]


def _functions(body: Iterable[ast.AST]) -> list[str]:
    """What a file defines; what it imports is no candidate."""
    return list(dict.fromkeys(each.name for each in _statements(body) if isinstance(each, ast.FunctionDef)))


def _assigned(body: Iterable[ast.AST]) -> Iterator[str]:
    """Names such as that of a function that another one has compiled."""
    for each in _statements(body):
        for target in each.targets if isinstance(each, ast.Assign) else []:
            if isinstance(target, ast.Name):
                yield target.id


def _statements(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Of a file, as far as they are in no function and no class."""
    for each in body:
        yield each
        if isinstance(each, _BLOCKS):
            yield from _statements(ast.iter_child_nodes(each))
