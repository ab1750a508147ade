"""`softproof findings`: what is known to be wrong in torch."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..reports.files import ReportFile
from ..reports.finding import FindingStatus, check_device
from ..reports.findings_report import ask_all, findings_report, summary
from .console import note
from .options import Command
from .output import tell


def add_options(command: argparse.ArgumentParser) -> None:
    """The device, and a file."""
    command.add_argument("--device", default="cpu", help="where tensors live: cpu (default), cuda, cuda:1")
    command.add_argument("--write", type=Path, metavar="FILE", help="also write the Markdown there")


def prepare(options: argparse.Namespace) -> None:
    """Whether there is such a device."""
    check_device(options.device)


def run(options: argparse.Namespace, _prepared: None, files: dict[str, ReportFile]) -> int:
    """Print the report of the findings; the exit status is 0 whatever has become of them."""
    asked = ask_all(device=options.device, progress=_asked)
    text = findings_report(asked, options.device)
    status = tell(text, files, {"--write": lambda: text})
    note(summary(asked))
    return status


def _asked(asked: FindingStatus, number: int, total: int) -> None:
    """One line per finding on standard error."""
    note(f"[{number}/{total}] {asked.finding.name}: {asked.status}")


COMMAND = Command("reproduce what is known to be wrong in torch", add_options, prepare, run)
