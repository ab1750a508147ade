"""One row for each operation and dtype of a candidate: what is asked, and what comes of it."""

from __future__ import annotations

import statistics
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..bounds.arithmetic import any_order
from ..bounds.models import MODELS, arithmetic_of
from ..bounds.theorems import theorems
from ..candidates.candidate import Candidate
from ..candidates.plain_text import plain
from ..generation.coverage import REGIONS
from ..generation.strategies import problems
from ..problem.interface import HALF_VALUE
from ..problem.operations import OPERATIONS
from ..problem.problem import Problem
from ..problem.size_limits import is_limit
from ..properties.checks import CHECKS
from ..properties.measured import Measured
from ..reports.required import CANNOT_ASK, missing
from ..reports.row import CANNOT_LOAD, JUDGE_FAILED, Failure, Row
from ..verdicts.verdict import AGREES, DISAGREES, UNSPECIFIED, Verdict
from .criteria import Criteria
from .drawing import BY_STAGES, drawing
from .further import LeftOut, headline_first
from .ladder import widest
from .large import OnLarge, verdicts_on_large
from .otherwise import of_another_interface
from .probing import cannot_ask, hints, refusals
from .schedule import Schedule, against, counts
from .search import EXAMPLES, verdicts


def all_rows(
    candidate: Candidate,
    criteria: Criteria,
    asked: Sequence[tuple[str, str]],
    examples: int,
    seed: int,
    progress: Callable[[Row, int, int], None] | None,
) -> tuple[Row, ...]:
    """A row for each operation and dtype, whatever becomes of the others; at least one."""
    rows: list[Row] = []
    for number, (name, dtype) in enumerate(asked, start=1):
        if rows and not rows[-1].ok:
            candidate.close()
            for each in (criteria.baseline, candidate):  # in this order, as they were started
                if each is not None:
                    each.process.restart()
        rows.append(_row_or_why_not(candidate, name, dtype, criteria, examples, seed))
        if progress is not None:
            progress(rows[-1], number, len(asked))
    if not rows:
        words = f"{candidate.name} has no operation in {' or '.join(criteria.dtypes) or 'any dtype'}"
        rows = [Row.unjudged(candidate.name, criteria.device, CANNOT_LOAD, words, isolated=candidate.process.elsewhere)]
    return tuple(rows)


def _row_or_why_not(
    candidate: Candidate, operation: str, dtype: str, criteria: Criteria, examples: int, seed: int
) -> Row:
    """One row; where the judge itself fails, that is what it says."""
    started = time.perf_counter()
    try:
        return _row(candidate, operation, dtype, criteria, examples, seed)
    except Exception as error:  # a fault of the judge's own ends one row, and no run
        about = {"operation": operation, "dtype": dtype, "arithmetic": criteria.name, "accuracy": criteria.accuracy}
        seconds, isolated_ = time.perf_counter() - started, candidate.process.elsewhere
        words = f"{JUDGE_FAILED}: {fault(error)}; seed {seed}"
        return Row.unjudged(
            candidate.name, criteria.device, JUDGE_FAILED, words, isolated=isolated_, seconds=seconds, **about
        )


def _row(candidate: Candidate, operation: str, dtype: str, criteria: Criteria, examples: int, seed: int) -> Row:
    """Judge one operation in one dtype on one device."""
    started = time.perf_counter()
    label, operation = operation, operation.removesuffix(BY_STAGES)
    criteria = replace(criteria, by_stages=label != operation)
    supports, printed = candidate.supports(operation), candidate.process.printed
    schedule = Schedule(candidate, criteria, supports, f"{label} {dtype}")
    fixed, ndim = candidate.interface.fixed, candidate.interface.ndim
    draw = partial(problems, operation, dtype, supports=supports, layouts=candidate.layouts, fixed=fixed, ndim=ndim)
    try:
        draw(small=True)
    except ValueError as error:  # of an interface that leaves nothing to ask of this operation
        about = {"operation": label, "dtype": dtype, "arithmetic": criteria.name, "accuracy": criteria.accuracy}
        why = f"{CANNOT_ASK}: {error}"
        return Row.unjudged(
            candidate.name, criteria.device, CANNOT_ASK, why, isolated=candidate.process.elsewhere, **about
        )
    small = verdicts(schedule, draw, REGIONS[operation], examples, seed)
    more = not against(small[-1]) and examples >= EXAMPLES
    asked = verdicts_on_large(schedule, operation, dtype, seed) if more else OnLarge()
    latest = (*small[-1:], *asked.found.values())
    if not any(map(against, latest)) and (built_up := schedule.at_the_end()) is not None:
        small.append(built_up)
        asked = OnLarge()
    drawn = [verdict for verdict in small if counts(verdict)]
    large = [verdict for verdict in asked.found.values() if counts(verdict)]
    everything = [*drawn, *large]
    uncounted = len(small) + len(asked.found) - len(everything) if everything else 0
    if not everything:
        everything = drawn = small
    last = everything[-1]
    outcome, lacks = (
        _outcome(everything),
        missing(criteria.require, operation, _judged(everything, candidate, criteria)),
    )
    if lacks and last.ok:
        outcome = CANNOT_ASK
    measured = drawn if last.ok and drawn else [*drawn, last]  # those of large problems are known as limits only
    row = Row(
        implementation=candidate.name,
        operation=label,
        dtype=dtype,
        device=criteria.device,
        problems=len(everything),
        ulps=max(verdict.ulps for verdict in measured),
        ratio=max(verdict.ratio for verdict in measured),
        verdict=outcome,
        reason=f"required, and judged in none of its problems: {', '.join(lacks)}" if lacks and last.ok else "",
        gradients=candidate.differentiates(operation),
        unsupported=_unsupported(candidate, operation, supports),
        arithmetic=schedule.criteria.name or any_order(dtype).name,
        beyond=schedule.beyond,
        sums=criteria.model.told(operation, dtype) if isinstance(criteria.model, Measured) else {},
        unmeasured=criteria.model.reasons(operation, dtype) if isinstance(criteria.model, Measured) else {},
        accuracy=criteria.accuracy,
        checks=schedule.asked("check"),
        differ=tuple(
            name for name in schedule.differ if ("check", name) != schedule.failed
        ),  # which was not within its bound
        relations=schedule.asked("relation"),
        unspecified=tuple(sorted({number for verdict in drawn for number in verdict.unspecified})),
        regions=schedule.regions,
        unbounded=schedule.unbounded,
        uncounted=uncounted,
        vacuous=_vacuous(drawn),
        detectable=_detectable(drawn),
        ratios=_ratios(measured),
        **_promise(schedule.criteria, operation, dtype, last),
        digest=schedule.digest.hexdigest(),
        printed=candidate.process.printed - printed,
        isolated=candidate.process.elsewhere,
        lost=plain(candidate.process.lost),
        reported=candidate.reported(operation),
        hints=hints(candidate, operation),
        drawing=drawing(supports, candidate.layouts, fixed, ndim),
        seconds=time.perf_counter() - started,
        failure=None if last.ok else _failure(last, schedule, operation, seed, asked.source),
    )
    row = _diagnosed(_or_cannot_ask(row, candidate, operation), schedule)
    return _of_other_causes(row, schedule, partial(verdicts, draw=draw, wanted=(), examples=examples, seed=seed), seed)


def _unsupported(candidate: Candidate, operation: str, supports: frozenset[str]) -> tuple[str, ...]:
    """What is not asked of an operation, in the words of `without`."""
    left_out = {each for each in candidate.interface.without if each in ASKED or is_limit(each)}
    return tuple(sorted({*OPERATIONS[operation].extras, *left_out} - supports))


def _outcome(verdicts: Sequence[Verdict]) -> str:
    """The last outcome that is no agreement; *unspecified* where no document fixes any of the answers."""
    others = [verdict.outcome for verdict in verdicts if not verdict.ok]
    return others[-1] if others else AGREES if AGREES in {each.outcome for each in verdicts} else UNSPECIFIED


def _judged(verdicts: Sequence[Verdict], candidate: Candidate, criteria: Criteria) -> set[str]:
    """The outputs that were compared with the truth; a classifier by stages is judged on all that its stages have."""
    found = {output for verdict in verdicts for output in verdict.ratios}
    operation = verdicts[-1].problem.operation if verdicts[-1].problem else ""
    by_stages = criteria.by_stages and candidate.differentiates(operation) if operation else False
    return found | ({"grad_"} if by_stages else set())


def _vacuous(verdicts: Sequence[Verdict]) -> dict[str, dict[str, int]]:
    """For each output and each answer that is wrong altogether, on how many problems it would have passed."""
    passed: dict[str, Counter[str]] = {}
    for verdict in verdicts:
        for output, wrong in verdict.vacuous.items():
            passed.setdefault(output, Counter()).update(wrong)
    return {output: dict(counts) for output, counts in passed.items()}


def _detectable(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """For each output the median, over the problems, of the smallest relative error that would have been seen."""
    smallest: dict[str, list[float]] = {}
    for verdict in verdicts:
        for output, error in verdict.detectable.items():
            if error < np.inf:
                smallest.setdefault(output, []).append(error)
    return {output: statistics.median(errors) for output, errors in smallest.items()}


def _ratios(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """The worst error of each output in units of its bound."""
    worst: dict[str, float] = {}
    for verdict in verdicts:
        for output, ratio in verdict.ratios.items():
            worst[output] = max(worst.get(output, 0.0), ratio)
    return worst


def _promise(criteria: Criteria, operation: str, dtype: str, verdict: Verdict) -> dict[str, Any]:
    """The theorems that the bounds of a row rest on, and what its model assumes, as it answers for one problem."""
    problem = verdict.problem or Problem("softmax", dtype, {"logits": [0.0]}, {"dim": 0})
    arithmetic = arithmetic_of(criteria.model, problem)
    return {
        "theorems": theorems(operation, arithmetic, criteria.accuracy),
        "model": plain(f"{arithmetic.name}: {arithmetic.source}"),
    }


def _failure(last: Verdict, schedule: Schedule, operation: str, seed: int, source: str = "") -> Failure:
    """What is told of a verdict against a candidate."""
    candidate = schedule.candidate
    return Failure(
        last,
        candidate.source,
        candidate.adapter,
        candidate.interface.words(),
        schedule.criteria.device,
        seed,
        schedule.words(last.problem.operation if last.problem else operation),
        schedule.call,
        source,
        schedule.failed if schedule.call != "judge" else None,
    )


def _or_cannot_ask(row: Row, candidate: Candidate, operation: str) -> Row:
    """The row; one whose failure is an error for what its function does not take *cannot be asked*, and says why."""
    if row.failure is None or row.failure.verdict.outcome != DISAGREES or row.lost or row.operation != operation:
        return row
    verdict = row.failure.verdict
    why = of_another_interface(candidate, operation, row.dtype, row.device)
    if not why and not verdict.output:
        found = refusals(candidate, operation, row.dtype, row.device)
        why = cannot_ask(candidate, found, verdict.problem, verdict.explanation, row.device)
    return replace(row, verdict=CANNOT_ASK, reason=f"{CANNOT_ASK}: {why}") if why else row


def _diagnosed(row: Row, schedule: Schedule) -> Row:
    """The same row, whose failure is explained, if that is wanted."""
    diagnosing = schedule.criteria.diagnosing
    if row.failure is None or diagnosing is None:
        return row
    failed = schedule.failure(row.failure.verdict, row.failure.question)
    model = widest(row.dtype, row.device) if schedule.criteria.auto else schedule.criteria.model
    found = diagnosing.diagnosis(schedule.candidate, failed, model)
    return replace(row, failure=replace(row.failure, diagnosis=found))


def _of_other_causes(row: Row, schedule: Schedule, search: Callable[[Schedule], list[Verdict]], seed: int) -> Row:
    """The row, which has gone on without what failed; what is most telling of its failures stands first."""
    criteria, left = schedule.criteria, LeftOut()
    if row.failure is None or row.verdict != DISAGREES or criteria.accuracy == "D" or criteria.by_stages:
        return row
    started, failures = time.perf_counter(), [row.failure]
    while len(failures) < criteria.max_failures and not schedule.candidate.process.lost:
        models = failures[-1].diagnosis.models
        if models is not None and models.agrees and criteria.name != models.agrees[0]:
            criteria = replace(criteria, name=models.agrees[0], model=MODELS[models.agrees[0]], auto=False)
        elif (more := left.and_without(failures[-1])) is not None:
            left = more
        else:
            break
        again = Schedule(schedule.candidate, replace(criteria, database=None), schedule.extras, schedule.row, left=left)
        last = search(again)[-1]
        if not against(last):
            break
        failed = replace(row, failure=_failure(last, again, row.operation, seed))
        failures.append(_diagnosed(failed, again).failure or failures[-1])
    first, *others = headline_first(failures)
    seconds = row.seconds + time.perf_counter() - started
    return replace(row, failure=first, more=tuple(others), seconds=seconds, lost=plain(schedule.candidate.process.lost))


def fault(error: BaseException) -> str:
    """An exception of the judge's own, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}: {plain(str(error))}"


ASKED = frozenset(("layouts", HALF_VALUE, *CHECKS))  # how a problem is asked, whatever the operation
