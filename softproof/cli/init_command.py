"""`softproof init`: a first table [tool.softproof]."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ..config import write_first
from ..reports.files import ReportFile
from .console import note, say
from .options import Command
from .output import JUDGE_ITSELF


def add_options(command: argparse.ArgumentParser) -> None:
    """Where the table goes."""
    command.add_argument(
        "--config", type=Path, metavar="FILE", default=Path("pyproject.toml"), help="another file (%(default)s)"
    )


def prepare(options: argparse.Namespace) -> None:
    """Whether there is a place for the table."""
    folder = Path(os.path.realpath(options.config.parent))  # which does not mind a link to itself
    if not folder.is_dir():
        raise ValueError(f"--config {options.config}: there is no folder {folder}")


def run(options: argparse.Namespace, _prepared: None, _files: dict[str, ReportFile]) -> int:
    """Add the table, and say what to do next."""
    try:
        new = write_first(options.config)
    except (ValueError, OSError) as error:
        note(f"softproof init: {error}")
        return 2
    done = "wrote" if new else "added [tool.softproof] to"
    return 0 if say(f"{done} {options.config}; name your target there, then run: softproof verify") else JUDGE_ITSELF


COMMAND = Command("add a commented [tool.softproof] to pyproject.toml", add_options, prepare, run)
