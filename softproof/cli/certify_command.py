"""`softproof certify`: a target is judged, and what came of it is written down so that anybody can check it again."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..bounds.accuracy import NAMES
from ..bounds.models import MODELS
from ..candidates.frameworks import ADAPTERS
from ..certificates.form import PASSED, canonical, level
from ..certificates.sources import Source, sources
from ..certificates.statement import statement
from ..problem.operations import OPERATIONS
from ..problem.validation import did_you_mean
from ..reports.files import ReportFile
from ..reports.report import Report
from ..reports.required import HUGE, OR_HUGE
from ..reports.row import CANNOT_LOAD, JUDGE_FAILED, Row
from ..runs.config import Settings
from ..runs.ladder import AUTO
from ..runs.search import EXAMPLES
from .batch import judged
from .console import note
from .options import Command, add_interface, add_process, given_interface, split, target_name
from .output import JUDGE_ITSELF, tell
from .plan import Plan

CLASSES = [letter for letter in NAMES if letter != "D"]  # which is no statement about the target alone
PROCESS = ("sandbox", "sandbox_read", "sandbox_env", "time_limit", "startup_limit")


@dataclass(frozen=True)
class Prepared:
    """What is judged, and its files as they are before it starts."""

    plan: Plan
    files: tuple[Source, ...]
    more: tuple[str, ...]  # files that were named besides

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Those of the one target."""
        return self.plan.targets[0]

    @property
    def changed(self) -> bool:
        """Whether its files are not what they were."""
        try:
            return self.files != sources(self.arguments["target"], self.arguments.get("adapter"), self.more)
        except ValueError:
            return True


def add_options(command: argparse.ArgumentParser) -> None:
    """The target, by what it is judged, how it is called, where it runs, and what is written."""
    command.add_argument(
        "target", type=target_name, metavar="TARGET", help="a module, package.module:function, model.onnx or a command"
    )
    command.add_argument(
        "-o", "--certificate", type=Path, metavar="FILE", required=True, help="where the certificate is written"
    )
    command.add_argument("--badge", type=Path, metavar="FILE", help="also write a badge, for an endpoint of shields.io")
    command.add_argument(
        "--arithmetic", metavar="NAME", required=True, help=f"what the bounds assume, by name: {', '.join(MODELS)}"
    )
    command.add_argument("--operation", choices=OPERATIONS, metavar="NAME", help="what a function computes")
    command.add_argument("--adapter", choices=ADAPTERS, help="the arrays that it takes (default: found out)")
    command.add_argument("--device", default="cpu", help="where tensors live: cpu (default), cuda, cuda:1")
    command.add_argument(
        "--dtype",
        action="append",
        dest="dtypes",
        metavar="NAME",
        help="float64, float32, float16 or bfloat16; may be repeated (default: float64 and float32)",
    )
    command.add_argument("--examples", type=int, default=EXAMPLES, help="problems per row (default: %(default)s)")
    command.add_argument("--seed", type=int, help="which problems (default: a new seed, which the certificate has)")
    command.add_argument("--accuracy", choices=CLASSES, default="C", help="accuracy class (default: %(default)s)")
    command.add_argument("--require", action="append", metavar="NAME,…", help=f"outputs that must be judged: {OR_HUGE}")
    command.add_argument("--huge", action="store_true", help=f"the same as --require {HUGE}, besides others")
    add_source(command)
    add_interface(command)
    add_process(command)


def add_source(command: argparse.ArgumentParser) -> None:
    """Files that belong to the target and are not found by themselves."""
    more = "another file of the target, such as one that it compiles or loads; may be repeated"
    command.add_argument("--source", action="append", metavar="FILE", default=[], help=more)


def prepare(options: argparse.Namespace) -> Prepared:
    """All that is asked, and the digests of the target's files, before it starts."""
    names = ("target", "device", "dtypes", "examples", "accuracy", "arithmetic")
    arguments = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    arguments |= given_interface(options) | process_of(options)
    if options.huge or options.require is not None:
        arguments["require"] = split(options.require) + [HUGE] * options.huge
    return prepared(arguments, options.seed, options.source)


def process_of(options: argparse.Namespace) -> dict[str, Any]:
    """Where the target runs; ValueError where that is the process of the judge."""
    if options.in_process:
        raise ValueError(
            "--in-process: a target in the process of the judge can change what the judge says; a certificate needs a "
            "process of its own"
        )
    return {name: getattr(options, name) for name in PROCESS if getattr(options, name) is not None}


def prepared(arguments: Mapping[str, Any], seed: int | None, more: Sequence[str]) -> Prepared:
    """The same of arguments of `softproof.verify`; ValueError where they do not fit, or the model has no name."""
    _check_model(arguments["arithmetic"])
    plan = replace(Plan.of(Settings((dict(arguments),), seed), shrink=True), diagnose=False)
    return Prepared(plan, sources(arguments["target"], arguments.get("adapter"), more), tuple(more))


def _check_model(name: str) -> None:
    if name == AUTO:
        raise ValueError(
            f"--arithmetic {AUTO}: a certificate names what was assumed before anything was judged; expected one of "
            f"{', '.join(MODELS)} (`softproof verify --arithmetic {AUTO}` tells which one fits)"
        )
    if name not in MODELS:
        raise ValueError(
            f"--arithmetic {name}: a certificate can only cite a model that its reader has, too; expected one of "
            f"{', '.join(MODELS)}{did_you_mean(name, MODELS)}"
        )


def certified(what: Prepared, files: Mapping[str, ReportFile]) -> tuple[Report, dict[str, Any] | None, int]:
    """The report of a run, its certificate, and the exit status; no certificate where it was not judged to the end."""
    places = tuple(place for file in files.values() for place in file.places)
    report = judged(replace(what.plan, hidden=(*what.plan.hidden, *places)), _progress)
    lacking = [row for row in report.rows if row.verdict in (CANNOT_LOAD, JUDGE_FAILED)]
    if report.interrupted or lacking or not report.rows:
        why = "it was interrupted" if report.interrupted else lacking[0].verdict if lacking else "there is no row"
        note(f"softproof: no certificate: {why}")
        return report, None, report.status
    if what.changed:
        note(f"softproof: no certificate: files of {what.arguments['target']} changed while it was judged")
        return report, None, JUDGE_ITSELF
    return report, statement(report, what.arguments, what.files), report.status


def run(options: argparse.Namespace, what: Prepared, files: dict[str, ReportFile]) -> int:
    """Print the report and write the certificate, whatever the verdicts are."""
    report, certificate, status = certified(what, files)
    if certificate is None:
        return max(status, tell(str(report), {}, {}))
    predicate = certificate["predicate"]
    passed = sum(row["result"] == PASSED for row in predicate["rows"])
    words = (
        f"{predicate['result']}: {passed} of {len(predicate['rows'])} rows passed, {predicate['level']}, arithmetic "
        f"{options.arithmetic}, seed {report.seed}; check it again: softproof recheck {options.certificate}"
    )
    contents = {"--certificate": lambda: canonical(certificate), "--badge": lambda: badge(certificate)}
    return max(status, tell(f"{report}\n\n{words}", files, contents))


def badge(certificate: Mapping[str, Any]) -> str:
    """For https://shields.io/badges/endpoint-badge: how many rows have passed, and under which model."""
    predicate = certificate["predicate"]
    rows, few = predicate["rows"], predicate["level"] != level(EXAMPLES)
    passed = sum(row["result"] == PASSED for row in rows)
    words = f"{passed} of {len(rows)} rows agree, {predicate['asked']['arithmetic']}{', few problems' if few else ''}"
    colour = "red" if passed < len(rows) else "yellow" if few else "brightgreen"
    return json.dumps({"schemaVersion": 1, "label": "softproof", "message": words, "color": colour})


def _progress(row: Row, number: int, total: int) -> None:
    """One line per finished row on standard error."""
    note(f"[{number}/{total}] {row.name}: {row.verdict}")


COMMAND = Command("judge one target, and write a certificate that can be checked again", add_options, prepare, run)
