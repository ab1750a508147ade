"""`softproof grade`: many candidates, each asked the questions of a bank; a line of JSON for each as it ends."""

from __future__ import annotations

import argparse
import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from ..bounds.models import MODELS
from ..candidates.frameworks import ADAPTERS
from ..candidates.plain_text import plain
from ..certificates.sources import sources
from ..grading.bank_file import bank
from ..grading.executors import Cluster
from ..grading.grades import REQUIRED, cannot_load, check_asked_of, check_budget, chosen_model, least
from ..grading.many import Line, Results, graded, key_of, line, written
from ..problem.operations import OPERATIONS
from ..problem.validation import check_whole
from ..reports.files import ReportFile
from ..reports.required import EXPECTED, check_required
from ..reports.row import CANNOT_LOAD, JUDGE_FAILED
from ..verdicts.verdict import AGREES
from .console import note, say
from .folders import named
from .options import Command, add_interface, add_process, split, target_name
from .output import JUDGE_ITSELF
from .plan import checked_targets


@dataclass(frozen=True)
class Prepared:
    """Whom to ask what."""

    targets: tuple[Mapping[str, Any], ...]
    unloaded: tuple[Line, ...]  # of files without a function that could be asked
    bank: Path
    digest: str
    arithmetic: str
    jobs: int
    executor: Executor | None  # a cluster
    results: Results | None


def add_options(command: argparse.ArgumentParser) -> None:
    """The candidates, the bank, how they are called, where they run, and where the lines go."""
    targets = "as of `softproof verify`; or a folder, or a file, for a function of each file"
    command.add_argument("targets", nargs="+", type=target_name, metavar="TARGET", help=targets)
    functions = "the function of each file (default: the one named after the operation, or the only public one)"
    command.add_argument("--function", metavar="NAME", help=functions)
    command.add_argument("--bank", type=Path, metavar="FILE", required=True, help="what `softproof bank build` wrote")
    command.add_argument(
        "-o", "--results", type=Path, metavar="FILE",
        help="where the lines go, one for each target; those that stand there are not asked again (default: standard "
        "output)",
    )  # fmt: skip
    command.add_argument("--jobs", type=int, metavar="N", help="candidates at a time (default: 1)")
    command.add_argument("--dask", metavar="ADDRESS", help="the scheduler of a Dask cluster whose workers grade")
    command.add_argument("--budget", type=float, metavar="SECONDS", help="for each candidate (default: no limit)")
    command.add_argument(
        "--secret", action="store_true", help="say which output failed, and nothing else about a question"
    )
    more = "do not ask what a failure may come from"
    command.add_argument("--no-diagnosis", dest="diagnose", action="store_false", help=more)
    command.add_argument(
        "--arithmetic",
        metavar="NAME",
        help=f"what the bounds assume, where the bank has several models: {', '.join(MODELS)}",
    )
    command.add_argument("--operation", choices=OPERATIONS, metavar="NAME", help="what a function computes")
    command.add_argument("--adapter", choices=ADAPTERS, help="the arrays that it takes (default: found out)")
    command.add_argument("--device", default="cpu", help="where tensors live: cpu (default), cuda, cuda:1")
    command.add_argument("--dtype", action="append", dest="dtypes", metavar="NAME", help="ask in this format alone")
    command.add_argument(
        "--require",
        action="append",
        metavar="NAME,…",
        help=f"outputs without which a question is not passed: {EXPECTED} (default: {', '.join(REQUIRED)})",
    )
    add_interface(command)
    add_process(command)


def prepare(options: argparse.Namespace) -> Prepared:
    """All that is asked, before any candidate starts."""
    opened = bank(options.bank)
    chosen = chosen_model(opened, options.arithmetic)
    check_asked_of(opened, options.operation, options.dtypes)
    if options.dask is not None and options.jobs is not None:
        raise ValueError(
            f"--jobs is {options.jobs}, and --dask is {options.dask!r}, which has its own workers; expected one"
        )
    jobs = check_whole("--jobs", 1 if options.jobs is None else options.jobs, "a whole number of at least 1", 1)
    if options.budget is not None:
        check_budget(options.budget)
    names = named(options.targets, options.function, options.operation, options.adapter)
    more = {
        "budget": options.budget,
        "secret": options.secret,
        "diagnose": options.diagnose and not options.secret,
        "require": REQUIRED if options.require is None else check_required(split(options.require)),
        "dtypes": options.dtypes,
        "hidden": [str(each.absolute()) for each in (options.bank, options.results) if each is not None],
    }
    asked = checked_targets(options, [each.target for each in names if not each.why])
    targets = tuple({"sandbox": "on", **each, **more, "files": _files(each)} for each in asked)
    unloaded = tuple(
        line(cannot_load(*each, opened, chosen, options.operation, options.dtypes), key_of(each._asdict()))
        for each in names
        if each.why
    )
    results = None if options.results is None else Results(options.results, opened.digest, chosen)
    executor = None if options.dask is None else Cluster(options.dask)
    return Prepared(targets, unloaded, options.bank, opened.digest, chosen, jobs, executor, results)


def _files(target: Mapping[str, Any]) -> str:
    """The digest of a target's files as they are now; another one each time where none is found."""
    try:
        found = sources(target["target"], target.get("adapter"))
    except ValueError:
        return secrets.token_hex(16)
    return hashlib.sha256(repr(found).encode()).hexdigest()


def run(options: argparse.Namespace, what: Prepared, _files: dict[str, ReportFile]) -> int:
    """A line for each; 0 where all agree, 3 where one could not be loaded or judged, 1 otherwise."""
    known = {} if what.results is None else what.results.known
    todo = {key_of(each): each for each in what.targets}
    keys = [*(each["key"] for each in what.unloaded), *todo]
    lines = [known[key] for key in keys if key in known]
    if lines:
        note(f"{len(lines)} of {len(keys)} stand in {options.results}")
    rest = [each for key, each in todo.items() if key not in known]
    unloaded = [each for each in what.unloaded if each["key"] not in known]
    whole = True
    try:
        for grade in chain(unloaded, _graded(rest, what)):
            lines.append(grade)
            whole &= _tell(grade, what.results)
            note(f"[{len(lines)}/{len(keys)}] {_in_short(grade)}")
    finally:
        if what.executor is not None:
            what.executor.shutdown(cancel_futures=True)
        if what.results is not None:
            what.results.close()
    return JUDGE_ITSELF if not whole else status(lines)


def _graded(targets: Sequence[Mapping[str, Any]], what: Prepared) -> Iterator[Line]:
    return graded(targets, what.bank, what.arithmetic, what.digest, what.jobs, what.executor)


def _in_short(found: Line) -> str:
    """The score, and of which output and which kind of question the least was passed."""
    lowest = filter(None, (least(found["outputs"]), least(found["regions"])))
    return plain("; ".join([f"{found['target']}: {found['verdict']}, score {found['score']:.4f}", *lowest]))


def _tell(found: Line, results: Results | None) -> bool:
    """Where the lines go; whether it came there."""
    if results is None:
        return say(written(found))
    try:
        results.add(found)
    except OSError as error:
        note(f"softproof: --results {results.path}: {error.strerror or error}")
        return False
    return True


def status(lines: list[Line]) -> int:
    """The exit status of these lines."""
    verdicts = {str(each["verdict"]) for each in lines}
    if JUDGE_FAILED in verdicts:
        return JUDGE_ITSELF
    return 3 if CANNOT_LOAD in verdicts else int(verdicts > {AGREES} or AGREES not in verdicts)


COMMAND = Command("grade many targets by a bank of questions", add_options, prepare, run)
