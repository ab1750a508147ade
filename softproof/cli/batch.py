"""The targets of one command, one after the other, and a report whatever they do."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from ..bounds.models import model
from ..candidates.candidate import Candidate
from ..candidates.isolation.protections import Protection, weakest
from ..candidates.loading import NO_NAME
from ..candidates.plain_text import plain
from ..candidates.preparation import dtypes_of
from ..reports.report import Report
from ..reports.required import CANNOT_ASK
from ..reports.row import CANNOT_LOAD, JUDGE_FAILED, Row
from ..reports.target_record import TargetRecord
from ..reports.terminal import leaving_out, printable
from ..runs.calling import in_format
from ..runs.criteria import check_criteria
from ..runs.ladder import is_auto, named
from ..runs.opening import open_baseline
from ..runs.rows import fault
from ..runs.verification import rows_of, verify
from .asked_again import Again, asked_again, is_function
from .console import note
from .interruption import Interruption
from .plan import CRITERIA, OF_TORCH, Plan, interface_in, limits_of, more_of, opened
from .side_by_side import Others, RowName, in_order, shares, unsaid
from .standing import with_standing


def judged(plan: Plan, progress: Callable[[Row, int, int], None] | None = None) -> Report:
    """The report of all targets. Ctrl-C ends it early, with the rows that are finished."""
    rows: list[Row] = []
    protections: list[Protection] = []
    ended_by = 0
    targets, found_out, notes = list(plan.reported), list[str](), list[str]()
    interruption = Interruption()
    try:
        with interruption:
            for number, arguments in enumerate(plan.targets):
                before = len(rows)
                _judge(arguments, plan, rows, protections, progress)
                again = _asked_again(arguments, plan, rows[before:]) if plan.probing else None
                notes += () if again is None else again.notes
                if again is not None and again.said:
                    first, rows[before:] = rows[before:], []
                    found_out.append(again.said)
                    _tell(targets, number, again.arguments)
                    _judge(again.arguments, plan, rows, protections, progress)
                    opener = partial(opened, again.arguments, plan.hidden)
                    interfaces = interface_in(arguments), interface_in(again.arguments)
                    rows[before:] = with_standing(first, rows[before:], *interfaces, opener)
                if _may_be_asked_in_half(arguments, plan, rows[before:]):
                    used = again.arguments if again is not None and again.said else arguments
                    asked = _without_what_failed(used, rows[before:])
                    notes += _in_half(asked, plan, rows, protections, progress)
                    if asked is not used:
                        notes += [WITHOUT_IT.format(",".join(asked["without"]))] if rows[-1].dtype == OF_TORCH else []
                    elif used.get("dtypes") and rows[-1].dtype == OF_TORCH:
                        _tell(targets, number, {**used, "dtypes": [*used["dtypes"], OF_TORCH]})
                        found_out[-1] += f" --dtype {OF_TORCH}" if " --dtype " in found_out[-1] else ""
    except KeyboardInterrupt:
        ended_by = interruption.signal or signal.SIGINT
    about = plan.inputs, weakest(protections), tuple(targets)
    report = Report(tuple(rows), plan.seed, plan.expected, ended_by, *about)
    return replace(report, found_out=tuple(found_out), notes=tuple(notes))


def _tell(targets: list[TargetRecord], number: int, arguments: Mapping[str, Any]) -> None:
    """The record of a target, if there are such, has what it was asked with."""
    targets[number : number + 1] = [replace(each, options=arguments) for each in targets[number:][:1]]


FINDING_OUT = "what it computes is found out, since its name is that of no operation"


def _asked_again(arguments: Mapping[str, Any], plan: Plan, rows: Sequence[Row]) -> Again | None:
    """How a target is asked again, which is told; a fault of the judge's own leaves its rows as they are."""

    def opener(more: Mapping[str, Any]) -> Candidate:
        return opened({**arguments, **more}, plan.hidden)

    try:
        again = asked_again(arguments, rows, opener)
    except Exception as error:
        note(f"{plain(arguments['target'])}: {JUDGE_FAILED} to ask what it takes: {fault(error)}")
        return None
    if again is not None and again.said:
        note(f"it is asked again, as what it takes: {again.said}")
        return again
    for row in rows:
        if NO_NAME in row.outcome.reason:
            note(f"{row.implementation}: {CANNOT_LOAD}: {row.outcome.reason}")
    return again


def _may_be_asked_in_half(arguments: Mapping[str, Any], plan: Plan, rows: Sequence[Row]) -> bool:
    """Whether it is a function that agrees in other formats, and no model is named, nor a class of accuracy.

    Or that agrees there without what failed, which can be left out by name.
    """
    usual = is_auto(arguments.get("arithmetic")) and arguments.get("accuracy", "C") == "C"
    agrees = bool(rows) and all((row.ok or leaving_out(row)) and row.dtype != OF_TORCH for row in rows)
    return plan.half and usual and agrees and is_function(arguments)


def _without_what_failed(arguments: Mapping[str, Any], rows: Sequence[Row]) -> Mapping[str, Any]:
    """The arguments of a target, which is not asked what its rows failed by."""
    left = {name for row in rows for name in leaving_out(row)}
    without = sorted({*(arguments.get("without") or ()), *left})
    return {**arguments, "without": without} if left else arguments


def _in_half(
    arguments: Mapping[str, Any],
    plan: Plan,
    rows: list[Row],
    protections: list[Protection],
    progress: Callable[[Row, int, int], None] | None,
) -> list[str]:
    """The rows of a function of torch in half precision are added; or what to know, where these cannot be asked.

    A fault of the judge's own, or a target that cannot be opened again, leaves the rows as they are, and is told.
    """
    before = len(rows)
    try:
        with closing(opened(arguments, plan.hidden)) as candidate:
            if candidate.adapter != "torch":
                return []
            raised = (in_format(candidate, each, OF_TORCH, arguments["device"]) for each in candidate.operations)
            if said := next(filter(None, raised), ""):
                return [f"NOT TESTED: {OF_TORCH}: {said}"]
        _judge({**arguments, "dtypes": [OF_TORCH]}, plan, rows, protections, progress)
    except Exception as error:
        return [f"NOT TESTED: {OF_TORCH}: {plain(fault(error))}"]
    left = [row for row in rows[before:] if row.verdict in (CANNOT_ASK, CANNOT_LOAD)]
    rows[before:] = [row for row in rows[before:] if row not in left]
    told = [f"NOT TESTED: {row.operation} {row.dtype}: {row.outcome.reason}" for row in left]
    return told if all(row.ok for row in rows[before:]) else [*told, f"NOTE: {LEAVING_IT_OUT}"]


WITHOUT_IT = f"NOTE: in {OF_TORCH} it was asked without what failed: --without '{{}}' --dtype {OF_TORCH}"
LEAVING_IT_OUT = f"it answers in {OF_TORCH}, and was asked so, too; to leave it out: --dtype float64 --dtype float32"


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
                found_out = plan.probing and NO_NAME in why
                note(f"{plain(arguments['target'])}: {FINDING_OUT if found_out else f'{CANNOT_LOAD}: {why}'}")
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
