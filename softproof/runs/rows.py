"""One row for each operation and dtype of a candidate: what is asked, and what comes of it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..bounds.models import MODELS
from ..candidates.candidate import Candidate
from ..candidates.plain_text import plain
from ..diagnosis.record import Diagnosis
from ..generation.coverage import REGIONS
from ..generation.many_elements import COUNTED
from ..generation.strategies import problems
from ..problem.size_limits import limit
from ..reports.failure import Failure
from ..reports.required import CANNOT_ASK
from ..reports.row import CANNOT_LOAD, JUDGE_FAILED, Row
from ..verdicts.verdict import DISAGREES, Verdict
from . import groups
from .as_torch import AsTorch, but_for, finding_of, shows_at_once, with_failure, with_finding
from .beyond import verdicts_beyond
from .climbing import counts
from .criteria import Criteria
from .drawing import BY_STAGES
from .further import OVERWRITES, LeftOut, headline_first, is_counted, is_told
from .groups import Judged
from .ladder import widest
from .large import OnLarge, verdicts_on_large
from .next_label import of_next_label
from .otherwise import of_another_interface
from .probing import cannot_ask, refusals
from .schedule import Schedule, against
from .search import EXAMPLES, Strategy, verdicts


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
        why, seconds = f"{JUDGE_FAILED}: {fault(error)}; seed {seed}", time.perf_counter() - started
        return _unjudged(candidate, criteria, JUDGE_FAILED, why, operation=operation, dtype=dtype, seconds=seconds)


def _unjudged(candidate: Candidate, criteria: Criteria, verdict: str, why: str, **more: Any) -> Row:
    """A row of which nothing is known but what it was to be judged by."""
    more |= {"arithmetic": criteria.name, "accuracy": criteria.accuracy, "isolated": candidate.process.elsewhere}
    return Row.unjudged(candidate.name, criteria.device, verdict, why, **more)


def _row(candidate: Candidate, operation: str, dtype: str, criteria: Criteria, examples: int, seed: int) -> Row:
    """Judge one operation in one dtype on one device."""
    started = time.perf_counter()
    label, operation = operation, operation.removesuffix(BY_STAGES)
    criteria = replace(criteria, by_stages=label != operation)
    rest = None
    if label == operation and (finding := _at_once(candidate, operation, dtype, criteria)):
        rest = _row(but_for(candidate, finding), label, dtype, criteria, examples, seed)
        if rest.ok:
            return with_finding(rest, finding)
        if candidate.process.lost:  # it answers nothing any more
            return rest
    schedule = Schedule(candidate, criteria, candidate.supports(operation), f"{label} {dtype}")
    printed, draw = candidate.process.printed, _drawing(schedule, operation, dtype)
    try:
        draw(small=True)
    except ValueError as error:  # of an interface that leaves nothing to ask of this operation
        return _unjudged(candidate, criteria, CANNOT_ASK, f"{CANNOT_ASK}: {error}", operation=label, dtype=dtype)
    judged = _judged(schedule, draw, operation, dtype, examples, seed)
    row = Row(
        candidate.name,
        label,
        dtype,
        criteria.device,
        asked=groups.asked(schedule, operation),
        coverage=groups.coverage(judged, schedule),
        errors=groups.errors(judged, schedule),
        basis=groups.basis(judged, schedule, operation, dtype),
        outcome=groups.outcome(judged, schedule, operation, printed, started),
        failures=() if judged.last.ok else (_failure(judged.last, schedule, operation, seed, judged.source),),
    )
    row = _or_cannot_ask(row, candidate, operation, schedule.late)
    row = replace(row, failures=tuple(_diagnosed(each, schedule, dtype) for each in row.failures))
    if (finding := finding_of(row)) and not isinstance(candidate, AsTorch):
        own = replace(criteria, database=None)
        rest = rest or _row(but_for(candidate, finding), label, dtype, own, examples, seed)
        return with_failure(rest, row)
    search = partial(verdicts, draw=draw, wanted=(), examples=examples, seed=seed)
    return _of_other_causes(row, schedule, search, seed, large=examples >= EXAMPLES)


def _at_once(candidate: Candidate, operation: str, dtype: str, criteria: Criteria) -> str:
    """A finding about torch that need not be looked for, where findings are told."""
    if criteria.diagnosing is None or criteria.accuracy == "D" or isinstance(candidate, AsTorch):
        return ""
    model = widest(dtype, criteria.device) if criteria.auto else criteria.model
    return shows_at_once(candidate, operation, dtype, criteria.device, model)


def _drawing(schedule: Schedule, operation: str, dtype: str) -> Strategy:
    """What draws the problems of a row, small ones or all."""
    candidate, interface = schedule.candidate, schedule.candidate.interface
    layouts, fixed, ndim = candidate.layouts, interface.fixed, interface.ndim
    return partial(problems, operation, dtype, supports=schedule.extras, layouts=layouts, fixed=fixed, ndim=ndim)


def _judged(schedule: Schedule, draw: Strategy, operation: str, dtype: str, examples: int, seed: int) -> Judged:
    """Drawn problems; large ones, where nothing is against these; then what may have built up."""
    small = verdicts(schedule, draw, REGIONS[operation], examples, seed)
    more = not against(small[-1]) and examples >= EXAMPLES
    on_large = _on_large(schedule, operation, dtype, seed) if more else OnLarge()
    latest = (*small[-1:], *on_large.found.values())
    if not any(map(against, latest)) and (wrong := schedule.without_a_model()) is not None:
        return Judged.of(small, OnLarge({**on_large.found, LAST: wrong[0]}, wrong[1]))
    if not any(map(against, latest)) and (built_up := schedule.at_the_end()) is not None:
        return Judged.of([*small, built_up], OnLarge())
    return Judged.of(small, on_large)


def _on_large(schedule: Schedule, operation: str, dtype: str, seed: int) -> OnLarge:
    """Large problems, and rows that are repeated where nothing is against these."""
    found = verdicts_on_large(schedule, operation, dtype, seed)
    if any(map(against, found.found.values())):
        return found
    beyond = verdicts_beyond(schedule, operation, dtype, seed)
    return OnLarge(found.found | beyond.found, beyond.source)


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
        schedule.failed if schedule.call in ("check_behaviour", "check_relations") else None,
    )


LAST = -1  # the number of what is told after all large problems
COUNTS = "an index or an offset may be held in {index}; if it is not to take as many elements: --without {less}"
REFUSES = "it raises an error for as many elements; if it is not to take them: --without {less}"


def _or_cannot_ask(row: Row, candidate: Candidate, operation: str, late: str) -> Row:
    """The row; one whose failure is an error for what its function does not take *cannot be asked*, and says why.

    So does one that took too long for a large problem, which is `late` then.
    """
    failed = row.failure
    if failed is not None and late:
        return replace(row, outcome=replace(row.outcome, verdict=CANNOT_ASK, reason=f"{CANNOT_ASK}: {late}"))
    if failed is None or failed.verdict.outcome != DISAGREES or row.outcome.lost or row.operation != operation:
        return row
    verdict = failed.verdict
    why = of_another_interface(candidate, operation, row.dtype, row.device)
    why = why or of_next_label(candidate, operation, row.dtype, row.device)
    if not why and not verdict.output:
        found = refusals(candidate, operation, row.dtype, row.device)
        why = cannot_ask(candidate, found, verdict.problem, verdict.explanation, row.device)
    if not why:
        return row
    return replace(row, outcome=replace(row.outcome, verdict=CANNOT_ASK, reason=f"{CANNOT_ASK}: {why}"))


def _diagnosed(failure: Failure, schedule: Schedule, dtype: str) -> Failure:
    """The same, explained, if that is wanted."""
    criteria = schedule.criteria
    if criteria.diagnosing is None:
        return failure
    if schedule.call == "judge_repeated":
        index = next(each for each in COUNTED if f"index={each!r}" in failure.source)
        less, said = limit(COUNTED[index], "elements"), COUNTS if failure.verdict.output else REFUSES
        return replace(failure, diagnosis=Diagnosis(next=said.format(index=index, less=less)))
    failed = schedule.failure(failure.verdict, failure.question)
    model = widest(dtype, criteria.device) if criteria.auto else criteria.model
    return replace(failure, diagnosis=criteria.diagnosing.diagnosis(schedule.candidate, failed, model))


def _of_other_causes(
    row: Row, schedule: Schedule, search: Callable[[Schedule], list[Verdict]], seed: int, *, large: bool
) -> Row:
    """The row, which has gone on without what failed; what is most telling of its failures stands first.

    What agrees then is asked `large` problems, too: their values at least.
    """
    criteria, left = schedule.criteria, LeftOut()
    if row.failure is None or row.verdict != DISAGREES or criteria.accuracy == "D" or criteria.by_stages:
        return row
    if row.failure.call == "judge_repeated":  # after all else has agreed
        return row
    started, failures, latest, rest = time.perf_counter(), [row.failure], row.failure, 0
    while criteria.max_failures > 1 and not schedule.candidate.process.lost and OVERWRITES not in latest.diagnosis.next:
        models = latest.diagnosis.models
        if models is not None and models.agrees and criteria.name != models.agrees[0]:
            criteria = replace(criteria, name=models.agrees[0], model=MODELS[models.agrees[0]], auto=False)
        elif (more := left.and_without(latest)) not in (None, left):
            left = more
        else:
            break
        again = Schedule(schedule.candidate, replace(criteria, database=None), schedule.extras, schedule.row, left=left)
        found = search(again)
        source = ""
        if not against(found[-1]) and large:
            more_found = _on_large(again, row.operation, row.dtype, seed)
            found, source = [*found, *more_found.found.values()], more_found.source
        if not against(found[-1]) or again.late:
            rest = sum(map(counts, found)) - bool(again.late)
            break
        if sum(map(is_counted, failures)) >= criteria.max_failures:
            break
        latest = _diagnosed(_failure(found[-1], again, row.operation, seed, source), again, row.dtype)
        failures += [] if is_told(latest, failures) else [latest]
        if source:  # of a large problem, after which nothing is left
            break
    seconds = row.outcome.seconds + time.perf_counter() - started
    outcome = replace(row.outcome, seconds=seconds, rest=rest, lost=plain(schedule.candidate.process.lost))
    return replace(row, outcome=outcome, failures=tuple(headline_first(failures)))


def fault(error: BaseException) -> str:
    """An exception of the judge's own, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}: {plain(str(error))}"
