"""`softproof schema`: what stands in the JSON of a report, for programs that read it."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..reports.as_json import SCHEMA
from ..reports.files import ReportFile
from .options import Command
from .output import tell


def add_options(command: argparse.ArgumentParser) -> None:
    """A file."""
    command.add_argument("--write", type=Path, metavar="FILE", help="also write the schema there")


def prepare(_options: argparse.Namespace) -> str:
    """The text of the schema."""
    return SCHEMA.read_text(encoding="utf-8").removesuffix("\n")


def run(_options: argparse.Namespace, text: str, files: dict[str, ReportFile]) -> int:
    """Print the schema, and write it."""
    return tell(text, files, {"--write": lambda: text})


COMMAND = Command("print the JSON Schema of a report", add_options, prepare, run)
