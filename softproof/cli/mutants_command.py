"""`softproof mutants`: known wrong implementations, which the judge must notice."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import Any

from ..problem.validation import did_you_mean
from ..reports.files import ReportFile
from ..runs.search import EXAMPLES
from .console import note
from .options import Command
from .output import tell


def add_options(command: argparse.ArgumentParser) -> None:
    """Which mutants, and how much they are asked."""
    command.add_argument(
        "names", nargs="*", metavar="NAME", help="names of mutants; with --list, what to look for (default: all)"
    )
    command.add_argument(
        "--list",
        action="store_true",
        help="show name, operation, story and source, and judge nothing; a NAME such as smoothing, softmax or "
        "'upstream*' is looked for in all of them",
    )
    command.add_argument("--seeds", type=int, default=1, help="how many seeds, from 0 on (default: %(default)s)")
    command.add_argument("--examples", type=int, default=EXAMPLES, help="problems per row (default: %(default)s)")
    command.add_argument("--json", type=Path, metavar="FILE", help="also write everything as JSON")
    command.add_argument("--write", type=Path, metavar="FILE", help="also write it as Markdown")


def prepare(options: argparse.Namespace) -> None:
    """Whether there are such mutants, and how many problems they are asked."""
    if options.list:
        _listed(options.names)
        if options.json or options.write:
            raise ValueError("--list writes no file; expected neither --json nor --write")
    else:
        _check_torch()
        _file("trial").check_names(options.names)
    for name in ("seeds", "examples"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} is {getattr(options, name)}; expected at least 1")


def _check_torch() -> None:
    """ValueError where there is no torch, in which mutants are written."""
    if not importlib.util.find_spec("torch"):
        raise ValueError("mutants are written in torch, which is not installed")


def _file(name: str) -> ModuleType:
    """Of softproof.mutants, which the command line does not import where there is no torch."""
    return importlib.import_module(f"softproof.mutants.{name}")


def run(options: argparse.Namespace, _prepared: None, files: dict[str, ReportFile]) -> int:
    """Print the mutants, or what the judge made of them."""
    if options.list:
        return tell(_listed(options.names), {}, {})
    _check_torch()
    trial, document = (_file(name) for name in ("trial", "document"))
    written = options.json or options.write
    tried = trial.trial(
        options.names or None,
        seeds=range(options.seeds),
        examples=options.examples,
        witnesses=written is not None,
        progress=_tried,
    )
    contents = {"--json": tried.to_json, "--write": lambda: document.document(tried).removesuffix("\n")}
    return max(0 if tried.ok else 1, tell(document.table(tried), files, contents))


def _listed(patterns: Sequence[str]) -> str:
    """One block of lines for each mutant in whose record each pattern is; ValueError where there is none."""
    _check_torch()
    mutants = _file("catalogue").MUTANTS
    chosen = [mutant for mutant in mutants.values() if all(_is_in(pattern, mutant) for pattern in patterns)]
    if not chosen:
        known = {
            word for mutant in mutants.values() for word in (mutant.name, mutant.operation, *mutant.name.split("-"))
        }
        meant = did_you_mean(patterns[0], sorted(known))
        raise ValueError(f"--list {' '.join(patterns)}: none of {len(mutants)} mutants has that{meant}")
    width = max(len(mutant.name) for mutant in chosen)
    lines = [
        f"{mutant.name:{width}}  {mutant.operation}: {mutant.story}\n{'':{width}}  {mutant.source}" for mutant in chosen
    ]
    return "\n".join([*lines, f"\n{len(chosen)} of {len(mutants)} mutants. softproof mutants NAME judges one"])


def _is_in(pattern: str, mutant: Any) -> bool:
    """Whether a text, or a name with * and ?, is in the record of a mutant."""
    words = (mutant.name, mutant.operation, mutant.group, mutant.story, mutant.source)
    small = pattern.lower()
    return any(small in word.lower() or fnmatchcase(word.lower(), small) for word in words)


def _tried(text: str, number: int, total: int) -> None:
    """One line per mutant on standard error."""
    note(f"[{number}/{total}] {text}")


COMMAND = Command("list known wrong implementations, or judge them, to test the judge", add_options, prepare, run)
