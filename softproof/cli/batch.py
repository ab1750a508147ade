"""The targets of one command, one after the other: planned before any of them starts, and a report whatever they do."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from ..bounds.models import model
from ..candidates.candidate import Candidate
from ..candidates.isolation.protections import Protection, weakest
from ..candidates.isolation.start import check_more, check_sandbox
from ..candidates.loading import check_target_name
from ..candidates.plain_text import plain
from ..candidates.preparation import check_arguments, dtypes_of
from ..certificates.sources import commit_of, sources
from ..config import INTERFACE, Settings
from ..generation.seeded import fresh_seed
from ..problem.validation import check_flag
from ..reports.asked import Asked
from ..reports.report import Report
from ..reports.required import check_required
from ..reports.row import CANNOT_LOAD, JUDGE_FAILED, Row
from ..reports.terminal import printable
from ..runs.criteria import check_baseline, check_criteria
from ..runs.failures import database
from ..runs.further import MOST
from ..runs.ladder import check_ladder, named
from ..runs.opening import check_limits, check_trusted, open_baseline, open_candidate
from ..runs.rows import fault
from ..runs.search import EXAMPLES
from ..runs.verification import check_run, rows_of, verify
from .console import note
from .interruption import Interruption
from .options import given_interface
from .side_by_side import Others, RowName, in_order, shares, unsaid

CRITERIA = ("dtypes", "examples", "arithmetic", "accuracy", "factor", "require")  # of `verify`, that are handed on
LIMITS = ("time_limit", "startup_limit")
MORE = ("sandbox_read", "sandbox_env")


@dataclass(frozen=True)
class Plan:
    """What is asked of whom: all that a candidate cannot change any more when it starts."""

    targets: tuple[Mapping[str, Any], ...]  # each with the arguments of `verify`
    seed: int
    shrink: bool = True
    database: str | None = None
    expected: tuple[str, ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()  # files that were read for it, and their digests
    hidden: tuple[str, ...] = ()  # files of the judge, which no candidate in a sandbox may read
    diagnose: bool = True
    max_failures: int = MOST
    jobs: int = 1  # processes of the judge's, which share the rows of a target
    asked: tuple[Asked, ...] = ()  # for the report, where there is one that tells it

    @classmethod
    def of(cls, found: Settings, shrink: bool) -> Plan:
        """What the settings say, once every argument is known to fit; ValueError or TypeError otherwise."""
        for arguments in found.targets:
            check_target(arguments)
        check_run(found.seed, shrink)
        seed = fresh_seed() if found.seed is None else found.seed
        if found.database is not None:
            database(found.database)
        hidden = [file for file, _ in found.inputs] + ([] if found.database is None else [found.database])
        return cls(found.targets, seed, shrink, found.database, found.expected, found.inputs, tuple(hidden))

    def told(self) -> Plan:
        """With what is asked of each target and with its files, as they are before any of them starts."""
        how = {"shrink": self.shrink, "diagnose": self.diagnose, "max_failures": self.max_failures}
        return replace(self, asked=tuple(_asked({"examples": EXAMPLES, **each, **how}) for each in self.targets))


def _asked(arguments: Mapping[str, Any]) -> Asked:
    """Of one target; no file of a target that has none, or of one that cannot be read."""
    about = arguments["target"], arguments.get("adapter")
    try:
        found = tuple((each.name, each.sha256) for each in sources(*about))
    except ValueError:
        found = ()
    return Asked(arguments["target"], arguments, found, commit_of(*about) if found else "")


def check_target(arguments: Mapping[str, Any]) -> None:
    """ValueError or TypeError for what is wrong before the target is even loaded; a model is imported here."""
    asked = arguments.get("operation"), arguments.get("adapter"), arguments["device"], arguments.get("dtypes")
    check_arguments(*asked, arguments.get("examples", EXAMPLES), interface_of(arguments))
    check_limits(**limits_of(arguments))
    check_sandbox(arguments.get("sandbox", "off"), arguments["device"])
    check_more(*(arguments.get(name, ()) for name in MORE))
    if arguments.get("in_process"):
        check_trusted(arguments.get("sandbox", "off"))
    check_baseline(arguments.get("accuracy", "C"), arguments.get("baseline"), arguments.get("factor", 1.0))
    if arguments.get("in_process") is not None:
        check_flag("in-process", arguments["in_process"])
    check_required(arguments.get("require", ()))
    check_ladder(arguments.get("arithmetic"), arguments.get("accuracy", "C"))
    model(named(arguments.get("arithmetic")))
    check_target_name(arguments["target"], arguments.get("adapter"))
    if arguments.get("baseline") is not None:
        check_target_name(arguments["baseline"])


def checked_targets(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The arguments of each target on a command line that makes all alike: how it is called, and where it runs."""
    given = {**given_interface(options), "device": options.device}
    given |= {"in_process": True} if options.in_process else {}
    names = (*LIMITS, *MORE, "sandbox")
    given |= {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    found = [{"target": target, **given} for target in options.targets]
    for arguments in found:
        check_target(arguments)
    return found


def interface_of(arguments: Mapping[str, Any]) -> Any:
    """How the target is called."""
    return {name: value for name, value in arguments.items() if name in INTERFACE}


def limits_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """How long its process may take."""
    return {name: value for name, value in arguments.items() if name in LIMITS}


def more_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What its process may read and know besides."""
    return {name: value for name, value in arguments.items() if name in MORE}


def opened(arguments: Mapping[str, Any], hidden: Sequence[str] = ()) -> Candidate:
    """The target, where it runs; ValueError or TypeError where it cannot be loaded. What is `hidden` is not for it.

    It is looked up in the working directory first.
    """
    asked = arguments.get("operation"), arguments.get("adapter"), arguments["device"], arguments.get("dtypes")
    return open_candidate(
        arguments["target"],
        *asked,
        arguments.get("examples", EXAMPLES),
        interface_of(arguments),
        in_process=arguments.get("in_process"),
        folders=[str(Path.cwd())],
        sandbox=arguments.get("sandbox", "off"),
        hidden=hidden,
        **limits_of(arguments),
        **more_of(arguments),
    )


def judged(plan: Plan, progress: Callable[[Row, int, int], None] | None = None) -> Report:
    """The report of all targets. Ctrl-C ends it early, with the rows that are finished."""
    rows: list[Row] = []
    protections: list[Protection] = []
    ended_by = 0
    interruption = Interruption()
    try:
        with interruption:
            for arguments in plan.targets:
                _judge(arguments, plan, rows, protections, progress)
    except KeyboardInterrupt:
        ended_by = interruption.signal or signal.SIGINT
    return Report(tuple(rows), plan.seed, plan.expected, ended_by, plan.inputs, weakest(protections), plan.asked)


def _judge(
    arguments: Mapping[str, Any],
    plan: Plan,
    rows: list[Row],
    protections: list[Protection],
    progress: Callable[[Row, int, int], None] | None,
) -> None:
    """The rows of one target are added to those of the others, each as it is finished."""
    before = len(rows)
    about = plain(arguments["target"]), arguments["device"]
    isolated = not arguments.get("in_process")

    def lost(verdict: str, why: str, **more: Any) -> None:
        rows.append(Row.unjudged(*about, verdict, why, isolated=isolated, **more))

    try:
        with ExitStack() as candidates:
            try:
                candidate, given = _opened(arguments, plan, candidates)
            except (ValueError, TypeError) as error:
                why = printable(str(error))
                lost(CANNOT_LOAD, why)
                note(f"{plain(arguments['target'])}: {CANNOT_LOAD}: {why}")
                return
            asked = rows_of(candidate, dtypes_of(candidate, arguments.get("dtypes")))

            telling = Lock()  # rows come from several threads, one for each other process

            def finished(row: Row, *_: int) -> None:
                with telling:
                    rows.append(row)
                    if progress is not None:
                        progress(row, len(rows) - before, len(asked))

            own, *more = shares(asked, plan.jobs)
            with Others(partial(_share, arguments, plan), more, finished) as others:
                report = _verified(candidate, given, plan, own if more else None, finished)
                others.wait()
            rows[before:] = in_order([*report.rows, *others.rows], asked)
            protections += [*report.protections, *others.protections]
            for operation, dtype in unsaid(more, others.rows):
                why = f"{JUDGE_FAILED}: the process of the judge's that was to judge it has ended"
                lost(JUDGE_FAILED, why, operation=operation, dtype=dtype)
    except Exception as error:  # a fault of the judge's own: the other targets are asked all the same
        lost(JUDGE_FAILED, f"{JUDGE_FAILED}: {fault(error)}")


def _opened(arguments: Mapping[str, Any], plan: Plan, candidates: ExitStack) -> tuple[Candidate, dict[str, Any]]:
    """The target and the arguments of `verify`; ValueError or TypeError where it cannot be loaded, or is not fit."""
    baseline = _baseline(arguments, candidates, plan.hidden)  # before the candidate's code runs
    candidate = candidates.enter_context(closing(opened(arguments, plan.hidden)))
    return candidate, _criteria(arguments, candidate, baseline)


def _verified(
    candidate: Candidate, given: dict[str, Any], plan: Plan, only: Sequence[RowName] | None, progress: Any
) -> Report:
    return verify(
        candidate, **given, only=only, seed=plan.seed, in_process=True, shrink=plan.shrink, diagnose=plan.diagnose,
        max_failures=plan.max_failures, database=plan.database, progress=progress,
    )  # fmt: skip


def _share(
    arguments: Mapping[str, Any], plan: Plan, only: Sequence[RowName], finished: Callable[[Row], None]
) -> Sequence[Protection]:
    """Some rows of a target, in another process of the judge's; whoever cannot be loaded again has no verdict there."""
    with ExitStack() as candidates:
        try:
            candidate, given = _opened(arguments, plan, candidates)
        except (ValueError, TypeError) as error:
            about = {"isolated": not arguments.get("in_process")}
            for operation, dtype in only:
                finished(Row.unjudged(plain(arguments["target"]), arguments["device"], CANNOT_LOAD,
                                      printable(str(error)), operation=operation, dtype=dtype, **about))  # fmt: skip
            return ()
        return _verified(candidate, given, plan, only, lambda row, *_: finished(row)).protections


def _baseline(arguments: Mapping[str, Any], candidates: ExitStack, hidden: Sequence[str]) -> Candidate | None:
    """The baseline, which is a candidate too, if there is one."""
    baseline = open_baseline(
        arguments.get("baseline"),
        arguments.get("operation"),
        in_process=arguments.get("in_process"),
        folders=[str(Path.cwd())],
        sandbox=arguments.get("sandbox", "off"),
        hidden=hidden,
        **limits_of(arguments),
        **more_of(arguments),
    )
    if baseline is not None:
        candidates.enter_context(closing(baseline))
    return baseline


def _criteria(arguments: Mapping[str, Any], candidate: Candidate, baseline: Candidate | None) -> dict[str, Any]:
    """The arguments of `verify`, once they fit."""
    given = {name: value for name, value in arguments.items() if name in (*CRITERIA, "device", "operation")}
    chosen = model(named(arguments.get("arithmetic")))
    check_criteria(candidate, baseline, chosen, dtypes_of(candidate, arguments.get("dtypes")))
    if baseline is not None:
        given["baseline"] = baseline
    return given
