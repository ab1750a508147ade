"""`softproof mutants`: known wrong implementations, which the judge must notice."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from ..reports.files import ReportFile
from ..runs.search import EXAMPLES
from .console import note
from .options import Command
from .output import tell


def add_options(command: argparse.ArgumentParser) -> None:
    """Which mutants, and how much they are asked."""
    command.add_argument("names", nargs="*", metavar="NAME", help="names of mutants (default: all)")
    command.add_argument("--seeds", type=int, default=1, help="how many seeds, from 0 on (default: %(default)s)")
    command.add_argument("--examples", type=int, default=EXAMPLES, help="problems per row (default: %(default)s)")
    command.add_argument("--json", type=Path, metavar="FILE", help="also write everything as JSON")
    command.add_argument("--write", type=Path, metavar="FILE", help="also write it as Markdown")


def prepare(options: argparse.Namespace) -> None:
    """Whether there are such mutants, and how many problems they are asked."""
    _trial().check_names(options.names)
    for name in ("seeds", "examples"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} is {getattr(options, name)}; expected at least 1")


def _trial() -> ModuleType:
    """softproof.mutants.trial, whose mutants are written in torch."""
    if not importlib.util.find_spec("torch"):
        raise ValueError("mutants are written in torch, which is not installed")
    return importlib.import_module("softproof.mutants.trial")


def run(options: argparse.Namespace, _prepared: None, files: dict[str, ReportFile]) -> int:
    """Print what the judge made of the mutants."""
    trial, written = _trial(), options.json or options.write
    found = trial.trial(
        options.names or None,
        seeds=range(options.seeds),
        examples=options.examples,
        witnesses=written is not None,
        progress=_tried,
    )
    contents = {"--json": found.to_json, "--write": lambda: trial.document(found).removesuffix("\n")}
    return max(0 if found.ok else 1, tell(trial.table(found), files, contents))


def _tried(text: str, number: int, total: int) -> None:
    """One line per mutant on standard error."""
    note(f"[{number}/{total}] {text}")


COMMAND = Command("judge known wrong implementations, to test the judge", add_options, prepare, run)
