"""Tells, with proof, whether softmax, cross-entropy or a linear classifier, and its gradients, is right.

Start with `softproof verify package.module:function`. docs/guides/first_verdict.md takes five minutes.

Exit status: 0 the report is complete and nothing disagrees; 1 something disagrees; 2 wrong usage; 3 a target could not
be loaded, or judged to the end; 4 the judge itself failed, or could not write the report; 128 + N ended by signal N.
docs/guides/ci.md has all cases.
"""

from __future__ import annotations

import argparse
import signal
import traceback
from collections.abc import Sequence

from ..reports.environment import versions
from ..reports.files import ReportFile, open_files
from ..reports.row import OF_A_SIGNAL
from ..reports.terminal import printable
from . import (
    bank_command,
    certify_command,
    findings_command,
    grade_command,
    init_command,
    mutants_command,
    recheck_command,
    schema_command,
    semantics_command,
    verify_command,
)
from .console import note
from .interruption import Interruption
from .options import Command, Formatter
from .output import JUDGE_ITSELF

FILES = ("json", "junit", "html", "write", "certificate", "badge")  # options that name a file of a report
_COMMANDS: dict[str, Command] = {
    "verify": verify_command.COMMAND,
    "init": init_command.COMMAND,
    "certify": certify_command.COMMAND,
    "recheck": recheck_command.COMMAND,
    "bank": bank_command.COMMAND,
    "grade": grade_command.COMMAND,
    "semantics": semantics_command.COMMAND,
    "mutants": mutants_command.COMMAND,
    "findings": findings_command.COMMAND,
    "schema": schema_command.COMMAND,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    files: dict[str, ReportFile] = {}
    interruption = Interruption()
    try:
        with interruption:
            return _run(parser, options, files)
    except KeyboardInterrupt:
        note("softproof: interrupted")
        return OF_A_SIGNAL + (interruption.signal or signal.SIGINT)
    except Exception:  # a fault of the judge's own, which no candidate is to be blamed for
        note(f"{traceback.format_exc()}softproof: the judge itself failed")
        return JUDGE_ITSELF
    finally:
        for file in files.values():
            file.discard()


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace, files: dict[str, ReportFile]) -> int:
    """What a command does, once all that it needs is known to fit."""
    command = _COMMANDS[options.command]
    try:
        prepared = command.prepare(options)
        files |= open_files((f"--{name}", getattr(options, name, None)) for name in FILES)
    except (ValueError, TypeError, OSError) as error:
        parser.error(printable(str(error)))
    for file in files.values():
        if file.trouble:
            note(f"softproof: {file.trouble}; there will be no such report")
    return command.run(options, prepared, files)


def _parser() -> argparse.ArgumentParser:
    """The parser of all subcommands."""
    parser = argparse.ArgumentParser(prog="softproof", description=__doc__, formatter_class=Formatter)
    parser.add_argument("--version", action="version", version=f"softproof {versions()['softproof']}")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in _COMMANDS.items():
        command.add_options(commands.add_parser(name, help=command.help, formatter_class=Formatter))
    return parser
