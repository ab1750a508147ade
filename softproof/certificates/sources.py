"""The files of a target, found without importing anything, and their digests."""

from __future__ import annotations

import ast
import shlex
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from importlib.machinery import PathFinder
from pathlib import Path
from shutil import which
from typing import NamedTuple
from warnings import catch_warnings

from ..reports.odd_files import read_file
from .repository import commit


class Source(NamedTuple):
    """A file, by its name from the folder that Python looks in, and its SHA-256."""

    name: str
    sha256: str


def sources(target: str, adapter: str | None, more: Sequence[str] = ()) -> tuple[Source, ...]:
    """The files of a target as they are now, in the order of their names.

    Of a module: its own file, those of the packages around it, and what they import from the same folder; of a model
    its file; of a command those of its words that are files. Of an installed module it is its own file, and those of
    the packages around it. `more` are files besides.

    Raises: ValueError where there is none, or one cannot be read.
    """
    files = _files(target, adapter)
    files |= {path.name if path.is_absolute() else path.as_posix(): path for path in map(Path, more)}
    if not files:
        raise ValueError(f"target {target!r}: no file of it is found; expected a module in a file, or --source FILE")
    return tuple(Source(name, _digest(path)) for name, path in sorted(files.items()))


def commit_of(target: str, adapter: str | None) -> str:
    """What the repository of a target's files has checked out; empty where there is none, or it is installed."""
    if adapter in ("onnx", "process") or target.endswith(".onnx"):
        found = next(iter(reversed(_files(target, adapter).values())), None)
        return "" if found is None else commit(found.resolve().parent)
    root = _root(target.partition(":")[0])
    return "" if root is None or _is_installed(root) else commit(root.resolve())


def defined(target: str, operation: str) -> tuple[str, int] | None:
    """A target's file, from the working directory, and the line of its function; None where neither is found.

    Of a module it is the function of the operation.
    """
    module, _, name = target.partition(":")
    here, root = Path.cwd().resolve(), _root(module)
    found = [] if root is None or _is_installed(root) else _chain(module, root)
    if not found or not found[-1].resolve().is_relative_to(here):
        return None
    path = found[-1].resolve()
    return path.relative_to(here).as_posix(), _line_of(path, (name or operation).split(".")[-1])


def _line_of(path: Path, name: str) -> int:
    """Where a function, a class or a variable gets its name; 1 where that is not seen."""
    for node in ast.walk(_parsed(path)):
        named = node.targets if isinstance(node, ast.Assign) else [node]
        if any(name in (getattr(each, "name", None), getattr(each, "id", None)) for each in named):
            return int(getattr(node, "lineno", 1))
    return 1


def _files(target: str, adapter: str | None) -> dict[str, Path]:
    if adapter == "onnx" or target.endswith(".onnx"):
        return {Path(target).name: Path(target)}
    if adapter == "process":
        words = shlex.split(target)
        program = [path for word in words[:1] if (path := which(word))]
        paths = [Path(word) for word in (*program, *words[1:]) if Path(word).is_file()]
        return {path.name: path for path in paths}
    return _of_module(target.partition(":")[0])


def _digest(path: Path) -> str:
    try:
        return sha256(read_file(path)).hexdigest()
    except OSError as error:
        raise ValueError(f"{path} is a file of the target, and cannot be read: {error.strerror or error}") from error


def _of_module(name: str) -> dict[str, Path]:
    """By their names from the folder in which the first part of the name is found."""
    root = _root(name)
    if root is None:
        return {}
    files: dict[str, Path] = {}
    waiting = [name]
    while waiting:
        module = waiting.pop()
        for path in _chain(module, root):
            key = path.relative_to(root).as_posix()
            if key not in files:
                files[key] = path
                waiting += [] if _is_installed(root) else _imported(path, root)
    return files


def _root(name: str) -> Path | None:
    """The folder in which the worker finds a module: the working directory comes first.

    As in Python, a package without an `__init__.py` comes after all that have one.
    """
    folders = [Path.cwd(), *(Path(each) for each in sys.path if each)]
    parts = name.split(".")[0], name
    return next((folder for part in parts for folder in folders if _chain(part, folder)), None)


def _chain(name: str, root: Path) -> list[Path]:
    """The files of the packages around a module, and its own; those that are there."""
    files, places, parts = list[Path](), [str(root)], name.split(".")
    for count in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:count]), places)
        if spec is None:
            break
        if spec.has_location and spec.origin and Path(spec.origin).is_relative_to(root):
            files.append(Path(spec.origin))
        places = list(spec.submodule_search_locations or ())
    return files


def _is_installed(root: Path) -> bool:
    """Whether packages are installed there, or the standard library, which versions tell."""
    paths = sysconfig.get_paths()
    return any(root == Path(paths[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib")) or (
        root.name in ("site-packages", "dist-packages")
    )


def _imported(path: Path, root: Path) -> Iterator[str]:
    """The modules that a file may import from the folder, wherever in the file."""
    tree = _parsed(path)
    here = path.relative_to(root).parts[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from _there((alias.name for alias in node.names), root)
        elif isinstance(node, ast.ImportFrom):
            base = [*here[: len(here) + 1 - node.level] * bool(node.level), *filter(None, [node.module])]
            names = (".".join([*base, alias.name]) for alias in node.names)
            yield from _there([".".join(base), *names], root)


def _parsed(path: Path) -> ast.Module:
    """Empty where it is no Python, or not readable, or too deep."""
    try:
        with catch_warnings(action="ignore"):  # of a strange escape in it
            return ast.parse(read_file(path))
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError):
        return ast.Module([], [])


def _there(names: Iterable[str], root: Path) -> Iterator[str]:
    yield from (name for name in names if name and _chain(name, root))
