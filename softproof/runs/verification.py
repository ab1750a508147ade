"""The question that users ask: is it right? One row for each operation and dtype, and the report of all."""

from __future__ import annotations

import statistics
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from hypothesis.database import ExampleDatabase

from ..bounds.arithmetic import Arithmetic, any_order
from ..bounds.models import MODELS, Model, arithmetic_of, model
from ..bounds.theorems import theorems
from ..candidates.candidate import Candidate
from ..candidates.isolated import SECONDS, STARTUP_SECONDS, Isolated, isolated
from ..candidates.isolation.protections import weakest
from ..candidates.isolation.start import check_more, check_sandbox
from ..candidates.loading import Target
from ..candidates.plain_text import plain
from ..candidates.preparation import check_arguments
from ..candidates.preparation import dtypes_of as dtypes_of
from ..candidates.preparation import prepare as prepare
from ..diagnosis.diagnose import Diagnosing, Failed
from ..generation.coverage import REGIONS
from ..generation.seeded import fresh_seed
from ..generation.strategies import problems
from ..problem.interface import HALF_VALUE, InterfaceArguments
from ..problem.operations import OPERATIONS
from ..problem.problem import Problem
from ..problem.validation import check_flag, check_kind, check_whole, is_number, shown
from ..properties.measured import Measured
from ..properties.ways import WAYS
from ..reports.asked import Asked
from ..reports.report import Report
from ..reports.required import CANNOT_ASK, check_required, missing
from ..reports.row import CANNOT_LOAD, JUDGE_FAILED, Failure, Row
from ..verdicts.compare import AGREES, DISAGREES, UNSPECIFIED, Verdict
from ..verdicts.stagewise import NEEDED
from .criteria import Criteria, check_baseline, check_criteria, name_of
from .drawing import BY_STAGES, drawing
from .failures import FORMS
from .failures import database as opened
from .further import LeftOut, headline_first
from .ladder import check_ladder, is_auto, is_measured, named, widest
from .large import OnLarge, verdicts_on_large
from .otherwise import of_another_interface
from .probing import cannot_ask, hints, refusals
from .schedule import Schedule, against, counts
from .search import EXAMPLES, verdicts


def verify(
    target: Target,
    *,
    operation: str | None = None,
    adapter: str | None = None,
    device: str = "cpu",
    dtypes: Sequence[str] | None = None,
    examples: int = EXAMPLES,
    seed: int | None = None,
    arithmetic: str | Arithmetic | Model | None = None,
    accuracy: str = "C",
    baseline: Target | None = None,
    factor: float = 1.0,
    shrink: bool = True,
    diagnose: bool = False,
    max_failures: int = 1,
    in_process: bool | None = None,
    time_limit: float = SECONDS,
    startup_limit: float = STARTUP_SECONDS,
    sandbox: str = "off",
    sandbox_read: Sequence[str] = (),
    sandbox_env: Sequence[str] = (),
    require: Sequence[str] = (),
    only: Sequence[tuple[str, str]] | None = None,
    database: ExampleDatabase | str | Path | None = None,
    progress: Callable[[Row, int, int], None] | None = None,
    **interface: Unpack[InterfaceArguments],
) -> Report:
    """Judge an implementation on drawn problems, and shrink the first disagreement of each row.

    Args:
        target: a module with functions named after the operations, a callable, or the name of one such as
            ``"manual"`` or ``"torch.nn.functional:cross_entropy"``.
        operation: what a callable computes, a key of `softproof.OPERATIONS`; a module is judged on all that it has.
        adapter: the arrays that the target takes, as in `softproof.load`; by default it is tried out.
        device: where tensors live, such as ``"cpu"`` or ``"cuda"``.
        dtypes: names of formats; by default float64 and float32.
        examples: how many problems for each operation and dtype; from 100 on, some more where these miss a region.
        seed: makes the problems the same in every run; by default a new one is drawn, and reported.
        arithmetic: the model that the bounds are theorems about: a name from `softproof.MODELS`, an `Arithmetic`, or a
            function from a problem to one; by default sums in any order. With ``"auto"`` an answer that disagrees is
            judged again under stored-logsumexp, then fused, then fused-flush-to-zero, or in half precision eager and on
            CUDA eager-cuda, and the row tells which it needed. With ``"measured"`` it is that of `softproof.Measured`.
        accuracy: the class that is asked for, "A" to "D" (`softproof.bounds.accuracy`).
        baseline: for class D, the target whose error counts; `factor`: how many times that error is allowed.
        shrink: whether to look for a smaller problem that disagrees; if not, the number of problems of a row is how
            many it took to find the first.
        diagnose: whether to say more about each failure: under which models it would agree, and what to do next. This
            changes no verdict, and takes a few questions more.
        max_failures: how many failures of a row are looked for, each of another cause: after one the row goes on
            without what failed. A row that agrees takes no longer for it.
        in_process: whether the target runs in this process. By default one that is given by its name has a process of
            its own: where it ends, hangs or changes the libraries, the report says so, and the run goes on.
        time_limit: seconds that such a target may take over one question.
        startup_limit: seconds that its process may take to start, to import it and to try it out, together.
        sandbox: ``"on"`` confines such a target as far as this system can: it writes in a scratch folder alone, reads
            what is installed and its own folder, and has no network. ``"strict"`` refuses to run where a protection is
            absent; docs/guides/isolation.md lists them.
        sandbox_read, sandbox_env: folders that it may read besides, and variables of the environment that it may know.
        require: which of ``"value"``, ``"gradient"``, ``"jvp"`` and ``"hvp"`` have to be judged where an operation has
            them: a row of which one was not *cannot be asked*, and does not agree.
        only: the rows to judge, each by its operation and dtype, as a report has them; by default all. A row is the
            same with or without others.
        database: where Hypothesis keeps what failed, to be asked first the next time; one of its own, or what
            `softproof.database` takes.
        progress: called with each row as it is finished, its number and the number of rows.
        interface: how the target is called, where that differs from torch: `supports`, `without`, `names`, `fixed`,
            `extra`, `ndim`, `writes` and `output` of `softproof.Interface`. `without` names what is not to be asked,
            such as ``"label_smoothing"``, or ``"probabilities"`` for a loss that takes labels alone.
    Returns: a `Report` with `ok`, `rows` and `check()`.
    Raises: ValueError or TypeError naming an argument that does not fit. A row in which the judge itself fails says so,
        and the others are asked all the same.

    >>> from torch.nn.functional import softmax
    >>> verify(softmax, dtypes=["float32"], examples=10, seed=0).ok
    True
    """
    check_run(seed, shrink, in_process, database, progress, diagnose)
    check_baseline(accuracy, baseline, factor)
    check_ladder(arithmetic, accuracy)
    check_required(require)
    chosen = model(named(arithmetic))
    arguments = operation, adapter, device, dtypes, examples, interface
    limits: dict[str, Any] = {"time_limit": time_limit, "startup_limit": startup_limit, "sandbox": sandbox,
                              "sandbox_read": sandbox_read, "sandbox_env": sandbox_env}  # fmt: skip
    with ExitStack() as opened_candidates:
        limits["in_process"] = in_process
        other = open_baseline(baseline, operation, **limits)  # before any code of the candidate runs
        if other is not None:
            opened_candidates.enter_context(closing(other))
        candidate = opened_candidates.enter_context(closing(open_candidate(target, *arguments, **limits)))
        diagnosing = opened_candidates.enter_context(closing(Diagnosing(device, accuracy)))
        if is_measured(arithmetic):
            chosen = Measured(candidate, device)
        criteria = Criteria(
            device,
            chosen,
            name_of(None if is_auto(arithmetic) else arithmetic),
            accuracy,
            other,
            factor,
            dtypes_of(candidate, dtypes),
            shrink=shrink,
            database=opened(database) if isinstance(database, str | Path) else database,
            require=check_required(require),
            diagnosing=diagnosing if diagnose else None,
            auto=is_auto(arithmetic),
            max_failures=check_whole("max_failures", max_failures, "a whole number of at least 1", 1),
        )
        check_criteria(candidate, other, chosen, criteria.dtypes)
        seed = fresh_seed() if seed is None else seed
        asked = rows_of(candidate, criteria.dtypes)
        rows = _rows(candidate, criteria, asked if only is None else check_only(only, asked), examples, seed, progress)
        protections = weakest([*candidate.protections, *(() if other is None else other.protections)])
        how = {**vars(candidate.interface), "operation": operation, "adapter": adapter, "device": device,
               "dtypes": criteria.dtypes, "examples": examples, "arithmetic": name_of(arithmetic) or None,
               "accuracy": accuracy, "baseline": None if other is None else other.name, "factor": factor,
               "require": criteria.require, **limits, "in_process": not candidate.elsewhere, "shrink": shrink,
               "diagnose": diagnose, "max_failures": max_failures}  # fmt: skip
        return Report(rows, seed, protections=protections, asked=(Asked(candidate.name, how),))


def rows_of(candidate: Candidate, dtypes: Sequence[str]) -> list[tuple[str, str]]:
    """The rows of a candidate: each of its operations in each dtype."""
    return [(name, dtype) for name in _questions(candidate) for dtype in dtypes]


def check_only(only: Sequence[tuple[str, str]], rows: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that are named, in their order; TypeError or ValueError for what is none of the rows."""
    if isinstance(only, str) or not isinstance(only, Sequence):
        raise TypeError(f"only is {shown(only)}; expected pairs of an operation and a dtype, or None")
    named = [tuple(each) if isinstance(each, list | tuple) else each for each in only]
    for each in named:
        if each not in rows:
            raise ValueError(f"only names {shown(each)}; expected some of {', '.join(map(str, rows))}")
    return [row for row in rows if row in named]


def _rows(
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
                    each.renew()
        rows.append(_row_or_why_not(candidate, name, dtype, criteria, examples, seed))
        if progress is not None:
            progress(rows[-1], number, len(asked))
    if not rows:
        words = f"{candidate.name} has no operation in {' or '.join(criteria.dtypes) or 'any dtype'}"
        rows = [Row.unjudged(candidate.name, criteria.device, CANNOT_LOAD, words, isolated=candidate.elsewhere)]
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
        seconds, isolated_ = time.perf_counter() - started, candidate.elsewhere
        words = f"{JUDGE_FAILED}: {fault(error)}; seed {seed}"
        return Row.unjudged(
            candidate.name, criteria.device, JUDGE_FAILED, words, isolated=isolated_, seconds=seconds, **about
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
    failed = Failed(row.failure.verdict, row.failure.question, schedule.first, schedule.seen)
    model = widest(row.dtype, row.device) if schedule.criteria.auto else schedule.criteria.model
    found = diagnosing.diagnosis(schedule.candidate, failed, model)
    return replace(row, failure=replace(row.failure, diagnosis=found))


def fault(error: BaseException) -> str:
    """An exception of the judge's own, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}: {plain(str(error))}"


ASKED = frozenset(("layouts", HALF_VALUE, *WAYS))  # how a problem is asked, whatever the operation


def _questions(candidate: Candidate) -> tuple[str, ...]:
    """The operations of a candidate, and its classifier by stages when it has the stages."""
    network = "linear_cross_entropy"
    alike = not candidate.interface.fixed and not candidate.interface.ndim
    whole = alike and {network, *NEEDED} <= set(candidate.operations)
    return candidate.operations + ((network + BY_STAGES,) if whole else ())


def check_run(
    seed: int | None = None,
    shrink: bool = True,
    in_process: bool | None = None,
    database: ExampleDatabase | str | Path | None = None,
    progress: Callable[[Row, int, int], None] | None = None,
    diagnose: bool = False,
) -> None:
    """ValueError or TypeError for an argument of `verify` that concerns neither the target nor its bounds."""
    if seed is not None:
        check_whole("seed", seed, "a whole number or None")
        check_whole("seed", seed, "a whole number of 64 bits", -(2**63), 2**64 - 1)
    check_flag("shrink", shrink)
    check_flag("diagnose", diagnose)
    if in_process is not None:
        check_flag("in_process", in_process)
    check_kind("database", database, (str, Path, ExampleDatabase, type(None)), f"{FORMS}, or None")
    if progress is not None and not callable(progress):
        raise TypeError(f"progress is {shown(progress)}; expected a function, or None")


def open_candidate(
    target: Target,
    *arguments: Any,
    in_process: bool | None,
    time_limit: float = SECONDS,
    startup_limit: float = STARTUP_SECONDS,
    folders: Sequence[str] = (),
    sandbox: str = "off",
    hidden: Sequence[str] = (),
    sandbox_read: Sequence[str] = (),
    sandbox_env: Sequence[str] = (),
    closed: bool = False,
) -> Candidate:
    """The candidate of `target` and the arguments of `check_arguments`, in this process or in one of its own.

    Its modules are looked up in `folders` first. In a `sandbox` the files in `hidden` cannot be read. A `closed` one
    lets no other look into its process.
    """
    check_limits(time_limit=time_limit, startup_limit=startup_limit)
    check_sandbox(sandbox)
    check_more(sandbox_read, sandbox_env)
    if isinstance(target, Isolated):
        return target
    if in_process or (in_process is None and not isinstance(target, str)):
        check_trusted(sandbox)
        check_arguments(*arguments)
        operation, adapter, device, dtypes, _, interface = arguments
        return prepare(target, operation, adapter, device, dtypes, interface, folders=folders)
    if not isinstance(target, str):
        raise ValueError(
            f"in_process is False and target is a {type(target).__name__}; expected its name, such as 'manual:softmax'"
        )
    here = [str(Path.cwd())] if "" in sys.path else []  # as where Python is asked line by line
    return isolated(target, *arguments, seconds=time_limit, startup=startup_limit, folders=[*folders, *here],
                    sandbox=sandbox, hidden=hidden, sandbox_read=sandbox_read, sandbox_env=sandbox_env,
                    closed=closed)  # fmt: skip


def check_trusted(sandbox: str) -> None:
    """ValueError where a sandbox is strict, and a target is to run in this process."""
    if sandbox == "strict":
        raise ValueError("sandbox is 'strict', and the target runs in this process; expected the name of one, isolated")


def check_limits(**limits: float) -> None:
    """ValueError for what is no time that a process may take."""
    for name, limit in limits.items():
        if not is_number(limit) or not 0 < limit <= threading.TIMEOUT_MAX:
            raise ValueError(f"{name} is {shown(limit)}; expected a positive number of seconds")


def open_baseline(
    baseline: Target | None, operation: str | None = None, *, in_process: bool | None = None, **where: Any
) -> Candidate | None:
    """The baseline of class D, if there is one, where a target of its kind runs; its errors say whose they are."""
    if baseline is None:
        return None
    arguments = operation, None, "cpu", None, 1, InterfaceArguments()
    try:
        in_process = in_process if isinstance(baseline, str) else None
        return open_candidate(baseline, *arguments, in_process=in_process, closed=True, **where)
    except (ValueError, TypeError) as error:
        raise type(error)(f"baseline: {error}") from error


def _row(candidate: Candidate, operation: str, dtype: str, criteria: Criteria, examples: int, seed: int) -> Row:
    """Judge one operation in one dtype on one device."""
    started = time.perf_counter()
    label, operation = operation, operation.removesuffix(BY_STAGES)
    criteria = replace(criteria, by_stages=label != operation)
    supports, printed = candidate.supports(operation), candidate.printed
    schedule = Schedule(candidate, criteria, supports, f"{label} {dtype}")
    fixed, ndim = candidate.interface.fixed, candidate.interface.ndim
    draw = partial(problems, operation, dtype, supports=supports, layouts=candidate.layouts, fixed=fixed, ndim=ndim)
    try:
        draw(small=True)
    except ValueError as error:  # of an interface that leaves nothing to ask of this operation
        about = {"operation": label, "dtype": dtype, "arithmetic": criteria.name, "accuracy": criteria.accuracy}
        why = f"{CANNOT_ASK}: {error}"
        return Row.unjudged(candidate.name, criteria.device, CANNOT_ASK, why, isolated=candidate.elsewhere, **about)
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
        unsupported=tuple(sorted({*OPERATIONS[operation].extras, *(candidate.interface.without & ASKED)} - supports)),
        arithmetic=schedule.criteria.name or any_order(dtype).name,
        beyond=schedule.beyond,
        sums=criteria.model.told(operation, dtype) if isinstance(criteria.model, Measured) else {},
        unmeasured=criteria.model.reasons(operation, dtype) if isinstance(criteria.model, Measured) else {},
        accuracy=criteria.accuracy,
        ways=schedule.asked("way"),
        differ=tuple(
            name for name in schedule.differ if ("way", name) != schedule.failed
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
        printed=candidate.printed - printed,
        isolated=candidate.elsewhere,
        lost=plain(candidate.lost),
        reported=candidate.reported(operation),
        hints=hints(candidate, operation),
        drawing=drawing(supports, candidate.layouts, fixed, ndim),
        seconds=time.perf_counter() - started,
        failure=None if last.ok else _failure(last, schedule, operation, seed, asked.source),
    )
    row = _diagnosed(_or_cannot_ask(row, candidate, operation), schedule)
    return _of_other_causes(row, schedule, partial(verdicts, draw=draw, wanted=(), examples=examples, seed=seed), seed)


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


def _of_other_causes(row: Row, schedule: Schedule, search: Callable[[Schedule], list[Verdict]], seed: int) -> Row:
    """The row, which has gone on without what failed; what is most telling of its failures stands first."""
    criteria, left = schedule.criteria, LeftOut()
    if row.failure is None or row.verdict != DISAGREES or criteria.accuracy == "D" or criteria.by_stages:
        return row
    started, found = time.perf_counter(), [row.failure]
    while len(found) < criteria.max_failures and not schedule.candidate.lost:
        models = found[-1].diagnosis.models
        if models is not None and models.agrees and criteria.name != models.agrees[0]:
            criteria = replace(criteria, name=models.agrees[0], model=MODELS[models.agrees[0]], auto=False)
        elif (more := left.and_without(found[-1])) is not None:
            left = more
        else:
            break
        again = Schedule(schedule.candidate, replace(criteria, database=None), schedule.extras, schedule.row, left=left)
        last = search(again)[-1]
        if not against(last):
            break
        failed = replace(row, failure=_failure(last, again, row.operation, seed))
        found.append(_diagnosed(failed, again).failure or found[-1])
    first, *others = headline_first(found)
    seconds = row.seconds + time.perf_counter() - started
    return replace(row, failure=first, more=tuple(others), seconds=seconds, lost=plain(schedule.candidate.lost))


def _judged(verdicts: Sequence[Verdict], candidate: Candidate, criteria: Criteria) -> set[str]:
    """The outputs that were compared with the truth; a classifier by stages is judged on all that its stages have."""
    found = {output for verdict in verdicts for output in verdict.ratios}
    operation = verdicts[-1].problem.operation if verdicts[-1].problem else ""
    by_stages = criteria.by_stages and candidate.differentiates(operation) if operation else False
    return found | ({"grad_"} if by_stages else set())


def _vacuous(verdicts: Sequence[Verdict]) -> dict[str, dict[str, int]]:
    """For each output and each answer that is wrong altogether, on how many problems it would have passed."""
    found: dict[str, Counter[str]] = {}
    for verdict in verdicts:
        for output, wrong in verdict.vacuous.items():
            found.setdefault(output, Counter()).update(wrong)
    return {output: dict(counts) for output, counts in found.items()}


def _detectable(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """For each output the median, over the problems, of the smallest relative error that would have been seen."""
    found: dict[str, list[float]] = {}
    for verdict in verdicts:
        for output, error in verdict.detectable.items():
            if error < np.inf:
                found.setdefault(output, []).append(error)
    return {output: statistics.median(errors) for output, errors in found.items()}


def _ratios(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """The worst error of each output in units of its bound."""
    found: dict[str, float] = {}
    for verdict in verdicts:
        for output, ratio in verdict.ratios.items():
            found[output] = max(found.get(output, 0.0), ratio)
    return found


def _promise(criteria: Criteria, operation: str, dtype: str, verdict: Verdict) -> dict[str, Any]:
    """The theorems that the bounds of a row rest on, and what its model assumes, as it answers for one problem."""
    problem = verdict.problem or Problem("softmax", dtype, {"logits": [0.0]}, {"dim": 0})
    arithmetic = arithmetic_of(criteria.model, problem)
    return {
        "theorems": theorems(operation, arithmetic, criteria.accuracy),
        "model": plain(f"{arithmetic.name}: {arithmetic.source}"),
    }


def _outcome(verdicts: Sequence[Verdict]) -> str:
    """The last outcome that is no agreement; *unspecified* where no document fixes any of the answers."""
    others = [verdict.outcome for verdict in verdicts if not verdict.ok]
    return others[-1] if others else AGREES if AGREES in {each.outcome for each in verdicts} else UNSPECIFIED
