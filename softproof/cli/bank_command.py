"""`softproof bank build`: questions with their truth and bounds, for `softproof grade`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..bounds.models import MODELS
from ..candidates.preparation import DTYPES
from ..generation.seeded import fresh_seed
from ..grading.compiling import build, check_models
from ..problem.operations import OPERATIONS
from ..problem.validation import check_whole
from ..reports.files import ReportFile
from ..runs.search import EXAMPLES
from .console import note
from .options import Command, split
from .output import tell


def add_options(command: argparse.ArgumentParser) -> None:
    """What is asked, under which models, and where it is written."""
    command.add_argument("action", choices=["build"], help="write a new bank")
    command.add_argument("-o", "--write", type=Path, metavar="FILE", required=True, help="where the bank is written")
    models = f"what the bounds assume; may be repeated: {', '.join(MODELS)}"
    command.add_argument("--arithmetic", action="append", metavar="NAME", required=True, help=models)
    command.add_argument(
        "--seed", type=int, help="which problems; anyone who knows it can draw them, too (default: a new one)"
    )
    names = ", ".join(OPERATIONS)
    command.add_argument(
        "--operation", action="append", choices=OPERATIONS, metavar="NAME", help=f"may be repeated (default: {names})"
    )
    dtypes = f"float64, float32, float16 or bfloat16; may be repeated (default: {' and '.join(DTYPES)})"
    command.add_argument("--dtype", action="append", metavar="NAME", help=dtypes)
    command.add_argument(
        "--examples", type=int, default=EXAMPLES, help="as of `softproof verify` (default: %(default)s)"
    )
    command.add_argument(
        "--without", action="append", metavar="NAME,…", help="what is not to be asked, as of `softproof verify`"
    )


def prepare(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `build`, as far as they can be checked at once."""
    check_models(options.arithmetic)
    check_whole("examples", options.examples, "a whole number of at least 1", 1)
    seed = fresh_seed() if options.seed is None else options.seed
    return {
        "operations": options.operation or tuple(OPERATIONS),
        "dtypes": options.dtype or DTYPES,
        "arithmetic": options.arithmetic,
        "seed": check_whole("seed", seed, "a whole number of 64 bits", -(2**63), 2**64 - 1),
        "examples": options.examples,
        "without": split(options.without),
    }


def run(_options: argparse.Namespace, arguments: Mapping[str, Any], files: dict[str, ReportFile]) -> int:
    """Build it, and write it."""
    try:
        built = build(**arguments, progress=note)
    except ValueError as error:
        note(f"softproof: {error}")
        return 2
    left = f"; {built.left_out} left out, of which a model guarantees nothing" if built.left_out else ""
    words = (
        f"{len(built.questions)} questions about {', '.join(built.operations)}, {built.elements} numbers{left}\n"
        f"arithmetic: {', '.join(built.models)}; seed {built.seed}; SHA-256 of its content {built.digest}"
    )
    return tell(words, files, {"--write": built.to_bytes})


COMMAND = Command("build a bank of questions for `softproof grade`", add_options, prepare, run)
