"""`softproof verify`: implementations are judged against the truth."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..bounds.accuracy import CLASSES, NAMES
from ..bounds.models import MODELS
from ..candidates.frameworks import ADAPTERS
from ..candidates.plain_text import plain
from ..certificates.sources import defined
from ..problem.operations import OPERATIONS
from ..problem.validation import check_whole
from ..properties.measured import MEASURED
from ..reports.as_html import html
from ..reports.causes import causes
from ..reports.environment import versions
from ..reports.files import ReportFile
from ..reports.github import annotated, summary
from ..reports.junit import junit
from ..reports.report import Report
from ..reports.required import HUGE, OR_HUGE
from ..reports.row import Row
from ..reports.target_record import TargetRecord
from ..reports.terminal import printable, table
from ..runs.config import CRITERIA, Settings, settings
from ..runs.failures import FORMS
from ..runs.further import MOST
from ..runs.ladder import AUTO, LADDER
from ..runs.rows import fault
from ..runs.search import EXAMPLES
from ..verdicts.verdict import AGREES
from .batch import judged
from .console import note, say
from .live import Live
from .options import Command, add_interface, add_process, given_interface, split, target_name
from .output import JUDGE_ITSELF, tell
from .plan import Plan
from .side_by_side import MOST as SIDE_BY_SIDE
from .side_by_side import cores

_CLASSES = ", ".join(f"{letter} {name}" for letter, name in NAMES.items())
TELLING = {"--json", "--html"}  # files that tell what was asked of each target
_REQUIRE = f"outputs that must be judged, or the row does not agree: {OR_HUGE}"


def add_options(command: argparse.ArgumentParser) -> None:
    """The targets, by what they are judged, how they are called, where they run, and what is written."""
    _add_targets(command)
    _add_questions(command)
    _add_criteria(command)
    add_interface(command)
    _add_failures(command)
    add_process(command)
    jobs = f"processes that share the rows of a target (default: one for each core, up to {SIDE_BY_SIDE}, on the CPU)"
    command.add_argument("--jobs", type=int, metavar="N", help=jobs)
    _add_files(command)
    _add_words(command)


def _add_targets(command: argparse.ArgumentParser) -> None:
    """Who is judged."""
    command.add_argument(
        "targets",
        nargs="*",
        type=target_name,
        metavar="TARGET",
        help="a module, package.module:function, file.py:function, model.onnx or, with --adapter process, a command "
        "(default: the targets of [tool.softproof] in pyproject.toml)",
    )
    command.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        default=Path("pyproject.toml"),
        help="where [tool.softproof] is (default: %(default)s)",
    )


def _add_questions(command: argparse.ArgumentParser) -> None:
    """What is asked."""
    names = ", ".join(OPERATIONS)
    command.add_argument(
        "--operation", choices=OPERATIONS, metavar="NAME", help=f"what a function computes (default: its name): {names}"
    )
    command.add_argument("--adapter", choices=ADAPTERS, help="the arrays that it takes (default: found out)")
    command.add_argument("--device", help="where tensors live: cpu (default), cuda, cuda:1")
    dtypes = "float64, float32, float16 or bfloat16; may be repeated (default: the first two; of torch, bfloat16 too)"
    command.add_argument("--dtype", action="append", dest="dtypes", metavar="NAME", help=dtypes)
    command.add_argument("--examples", type=int, help=f"problems per row (default: {EXAMPLES})")
    command.add_argument("--seed", type=int, help="repeat a run (default: a new seed, which is printed)")


def _add_criteria(command: argparse.ArgumentParser) -> None:
    """By what is judged."""
    command.add_argument(
        "--arithmetic",
        metavar="NAME",
        help=f"what the bounds assume: {', '.join(MODELS)}, {MEASURED} (any order, but sums as deep as they are "
        f"found), or package.module:object (default: {AUTO}, the first of {', '.join(LADDER)} under which it agrees)",
    )
    command.add_argument(
        "--named-model", action="store_true", help=f"for CI: fail unless a model is named ({AUTO} does not count)"
    )
    command.add_argument("--accuracy", choices=CLASSES, help=f"accuracy class (default: C): {_CLASSES}")
    command.add_argument("--baseline", metavar="TARGET", help="class D: the implementation to compare with")
    command.add_argument("--require", action="append", metavar="NAME,…", help=_REQUIRE)
    command.add_argument("--huge", action="store_true", help=f"the same as --require {HUGE}, besides others")
    command.add_argument("--factor", type=float, help="class D: how many times its error is allowed (default: 1)")


def _add_failures(command: argparse.ArgumentParser) -> None:
    """What is done where a candidate cannot be asked, or fails."""
    command.add_argument(
        "--as-it-is",
        dest="probing",
        action="store_false",
        help="do not try out other ways to call a function that rejects the usual one",
    )
    command.add_argument(
        "--no-shrink",
        dest="shrink",
        action="store_false",
        help="report the first problem that fails, not the smallest",
    )
    command.add_argument(
        "--no-diagnosis",
        dest="diagnose",
        action="store_false",
        help="do not look for the cause of a failure",
    )
    more = f"failures of a row to look for, each of another cause (default: {MOST}); 1 stops at the first"
    command.add_argument("--max-failures", type=int, default=MOST, metavar="N", help=more)


def _add_files(command: argparse.ArgumentParser) -> None:
    """What is read and written besides."""
    command.add_argument("--json", type=Path, metavar="FILE", help="also write the report as JSON")
    command.add_argument("--junit", type=Path, metavar="FILE", help="also write the report as JUnit XML")
    command.add_argument(
        "--github",
        action="store_true",
        help="in GitHub Actions: also annotate the code, and add to the summary of the job (GITHUB_STEP_SUMMARY)",
    )
    command.add_argument("--html", type=Path, metavar="FILE", help="also write the report as a page for a browser")
    command.add_argument(
        "--expected-failures",
        type=Path,
        metavar="FILE",
        help="rows that you expect to fail, one a line, such as mine:softmax softmax float32 cpu",
    )
    command.add_argument(
        "--database", metavar="WHERE", help=f"keep failures there, and try them first the next time: {FORMS}"
    )


def _add_words(command: argparse.ArgumentParser) -> None:
    """What is printed besides."""
    told = "also print how the target was called and judged, and what its process may do"
    command.add_argument("--verbose", "-v", action="store_true", help=told)
    command.add_argument(
        "--regions", action="store_true", help="also print the coverage: how many problems lay in each region"
    )
    command.add_argument(
        "--vacuity", action="store_true", help="also print the smallest error of each output that would be detected"
    )


def prepare(options: argparse.Namespace) -> Plan:
    """All that is asked, before any candidate starts."""
    most = check_whole("--max-failures", options.max_failures, "a whole number of at least 1", 1)
    plan = Plan.of(_settings(options), options.shrink)
    by_name = bool(options.targets)  # a table says what is asked
    return replace(plan, diagnose=options.diagnose, max_failures=most, jobs=_jobs(options, plan),
                   probing=options.probing and by_name, half=by_name and not options.dtypes)  # fmt: skip


def _jobs(options: argparse.Namespace, plan: Plan) -> int:
    """As many as are told; by default one where a GPU is shared, or rows take less than a process takes to start."""
    if options.jobs is not None:
        return check_whole("--jobs", options.jobs, "a whole number of at least 1", 1)
    devices = {each["device"] for each in plan.targets}
    short = any(each.get("examples", EXAMPLES) < EXAMPLES or each.get("in_process") for each in plan.targets)
    return 1 if short or devices != {"cpu"} else cores()


def _settings(options: argparse.Namespace) -> Settings:
    """What is asked: the targets of the command line, or those of the table, as the command line overrides it."""
    given = {key: getattr(options, key.replace("-", "_")) for key in CRITERIA}
    given = {key: value for key, value in given.items() if value is not None}
    given |= {} if options.require is None else {"require": split(options.require)}
    given |= {} if options.device is None else {"devices": [options.device]}
    of_one = given_interface(options)
    if options.targets:
        common = {key.replace("-", "_"): value for key, value in given.items() if key != "devices"}
        device = options.device or "cpu"
        chosen = Settings(tuple({"target": each, "device": device, **common, **of_one} for each in options.targets))
    elif of_one:
        option = next(iter(of_one)).replace("names", "name")
        raise ValueError(f"--{option} is given, and no TARGET that it belongs to")
    elif not os.path.lexists(options.config):
        raise ValueError(f"no TARGET, and there is no {options.config}; `softproof init` writes one to start from")
    else:
        chosen = settings(options.config, given)
    seed = chosen.seed if options.seed is None else options.seed
    targets = tuple(_with_model(each, options.named_model) for each in chosen.targets)
    if options.huge:
        targets = tuple({**each, "require": [*each.get("require", ()), HUGE]} for each in targets)
    chosen = replace(chosen, targets=targets, seed=seed, database=options.database or chosen.database)
    return chosen if options.expected_failures is None else chosen.expecting(options.expected_failures)


def _with_model(arguments: dict[str, Any], by_name: bool) -> dict[str, Any]:
    """With the model that is found out where none is named; ValueError where it has to be `by_name`."""
    chosen = arguments.get("arithmetic", AUTO if arguments.get("accuracy") != "D" else None)
    if by_name and chosen in (None, AUTO):
        raise ValueError(
            f"--named-model: {arguments['target']} has no model of arithmetic; expected --arithmetic, or arithmetic in "
            f"the table: {', '.join(MODELS)}, or package.module:object"
        )
    return {**arguments, "arithmetic": chosen}


def run(options: argparse.Namespace, plan: Plan, files: dict[str, ReportFile]) -> int:
    """Print the report of all targets, and write it."""
    places = tuple(place for file in files.values() for place in file.places)
    plan = plan.told() if options.github or files.keys() & TELLING else plan
    with Live("asking the first row") as live:
        report = judged(replace(plan, hidden=(*plan.hidden, *places)), partial(_progress, live))
    try:
        more = [report.regions()] if options.regions else []
        more += [report.vacuity()] if options.vacuity else []
        told = report.in_full() if options.verbose else str(report)
        untested = plan.untested(report.rows)
        text, status = "\n\n".join([told, *more, _summary(report, untested, options.verbose)]), 0
    except Exception as error:  # a fault of the judge's own costs the details, and not the table
        text, status = f"{printable(table(report.rows))}\n\nthe judge failed to tell more: {fault(error)}", JUDGE_ITSELF
    contents = {"--json": report.to_json, "--junit": lambda: junit(report), "--html": lambda: html(report)}
    status = max(status, tell(text, files, contents), _on_github(report) if options.github else 0)
    return report.status if report.interrupted else max(report.status, status)


def _on_github(report: Report) -> int:
    """Annotations on standard output, and the summary of the job: 0, or 4 where they cannot be told whole."""
    modules = {plain(each.target): each.target for each in report.targets if _is_module(each)}
    try:
        lines = annotated(report, lambda row: _defined(modules, row))
        whole = say("\n".join(lines), commands=True) if lines else True
        if file := os.environ.get("GITHUB_STEP_SUMMARY"):
            with open(file, "a", encoding="utf-8") as stream:
                stream.write(summary(report))
    except Exception as error:  # a fault of the judge's own, or of the file
        note(f"softproof: --github: {fault(error)}")
        return JUDGE_ITSELF
    return 0 if whole else JUDGE_ITSELF


def _is_module(target: TargetRecord) -> bool:
    """Whether its code is looked for in Python's files."""
    return target.options.get("adapter") not in ("onnx", "process") and not target.target.endswith(".onnx")


def _defined(modules: Mapping[str, str], row: Row) -> tuple[str, int] | None:
    return defined(modules[row.implementation], row.operation) if row.implementation in modules else None


def _progress(live: Live, row: Row, number: int, total: int) -> None:
    """One line per finished row on standard error, so that standard output holds the report alone."""
    note(f"[{number}/{total}] {row.name}: {row.verdict}")
    live.words = f"{number} of {total} rows"


def _summary(report: Report, untested: Sequence[str], verbose: bool) -> str:
    """Of how many rows agree; what was asked of them where that is wanted, and how to see it where it is not."""
    problems = sum(row.coverage.problems for row in report.rows)
    agreeing = sum(row.verdict == AGREES for row in report.rows)
    used = ", ".join(f"{name} {number}" for name, number in versions().items())
    asked = [row for row in report.rows if row.basis.arithmetic]
    models = ", ".join(sorted({row.basis.arithmetic for row in asked}))
    classes = ", ".join(sorted({f"{row.basis.accuracy}, {NAMES[row.basis.accuracy]}" for row in asked}))
    promise = f"accuracy class {classes}; arithmetic: {models}; docs/theory/bounds.md says what both promise"
    found, failures = len(causes(report.failing)), sum(max(1, len(row.failures)) for row in report.failing)
    told = f"; {found} cause{'s' * (found != 1)} of {failures} failures" if failures > 1 else ""
    share = "a number is the worst error as a share of its proven bound, above 1 it is wrong"
    judged = " that were judged before it ended" * report.interrupted
    lines = [f"{agreeing} of {len(report.rows)} rows{judged} agree; {problems} problems; seed {report.seed}{told}"]
    lines += untested if agreeing else ()
    if not verbose:
        return "\n".join([*lines, f"{share}; -v tells more"])
    return "\n".join([*lines, f"{share}; an ulp is that of the exact element", *([promise] if asked else []), used])


COMMAND = Command("judge implementations against the truth", add_options, prepare, run)
