"""`softproof semantics`: what implementations do in edge cases."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from ..candidates.frameworks import ADAPTERS
from ..candidates.plain_text import plain
from ..problem.operations import OPERATIONS
from ..reports.files import ReportFile
from ..reports.row import CANNOT_LOAD
from ..reports.semantics import semantics_report
from ..reports.terminal import printable
from .console import note
from .options import Command, add_interface, add_process, target_name
from .output import tell
from .plan import checked_targets, opened


def add_options(command: argparse.ArgumentParser) -> None:
    """The targets, how they are called, and where they run."""
    command.add_argument(
        "targets", nargs="+", type=target_name, metavar="TARGET", help="a module, or package.module:function"
    )
    command.add_argument("--operation", choices=OPERATIONS, metavar="NAME", help="what a function computes")
    command.add_argument("--adapter", choices=ADAPTERS, help="the arrays that it takes (default: found out)")
    command.add_argument("--device", default="cpu", help="where tensors live: cpu (default), cuda, cuda:1")
    add_interface(command)
    add_process(command)
    command.add_argument("--write", type=Path, metavar="FILE", help="also write the Markdown there")


def prepare(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The arguments of each target."""
    return checked_targets(options, options.targets)


def run(options: argparse.Namespace, prepared: Sequence[Mapping[str, Any]], files: dict[str, ReportFile]) -> int:
    """Print what the targets do in the edge cases; that is no verdict, and the exit status is 0 whatever it is."""
    status = 0
    with ExitStack() as stack:
        candidates = []
        for arguments in prepared:
            try:
                candidates.append(stack.enter_context(closing(opened(arguments))))
            except (ValueError, TypeError) as error:
                note(f"{plain(arguments['target'])}: {CANNOT_LOAD}: {printable(str(error))}")
                status = 3
        if not candidates:
            return status
        text = semantics_report(candidates, options.device)
    return max(status, tell(text, files, {"--write": lambda: text}))


COMMAND = Command("show what implementations do in edge cases, and what they should do", add_options, prepare, run)
