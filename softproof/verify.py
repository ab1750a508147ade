"""The loop: draw problems, judge the answers, shrink what disagrees, and report."""

from __future__ import annotations

import random
import statistics
import threading
import time
import unittest
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase
from hypothesis.database import ExampleDatabase
from hypothesis.strategies import SearchStrategy

from .accuracy import Accuracy
from .arithmetic import Arithmetic, any_order
from .bounds import bound
from .compare import AGREES, Verdict
from .database import Named
from .database import database as opened
from .formats import FORMATS
from .implementation import Candidate
from .interface import InterfaceArguments
from .isolated import SECONDS, Isolated, isolated
from .judge import BITS, judge, judge_result
from .large import large_problems
from .loading import Target, load
from .models import Model, arithmetic_of, model
from .operations import OPERATIONS
from .problem import Problem, Result
from .regions import REGIONS, regions
from .report import Failure, Report, Row
from .rotation import Rotation
from .smaller import smallest
from .stages import NEEDED, stages, worst
from .strategies import problems

EXAMPLES = 100
DTYPES = ("float64", "float32")
BATCH = 10  # problems that Hypothesis draws together
MORE = 4  # times as many are drawn in search of regions that were missed


class _NotProvenError(Exception):
    """Tells Hypothesis that a problem is worth shrinking."""


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
    in_process: bool | None = None,
    time_limit: float = SECONDS,
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
            function from a problem to one; by default sums in any order.
        accuracy: the class that is asked for, "A" to "D" (`softproof.accuracy`).
        baseline: for class D, the target whose error counts; `factor`: how many times that error is allowed.
        shrink: whether to look for a smaller problem that disagrees; if not, the number of problems of a row is how
            many it took to find the first.
        in_process: whether the target runs in this process. By default one that is given by its name has a process of
            its own: where it ends, hangs or changes the libraries, the report says so, and the run goes on.
        time_limit: seconds that such a target may take over one question.
        database: where Hypothesis keeps what failed, to be asked first the next time; one of its own, or what
            `softproof.database` takes.
        progress: called with each row as it is finished, its number and the number of rows.
        interface: how the target is called, where that differs from torch: `supports`, `without`, `names`, `fixed`,
            `extra`, `ndim`, `writes` and `output` of `softproof.Interface`. `without` names what is not to be asked,
            such as ``"label_smoothing"``, or ``"probabilities"`` for a loss that takes labels alone.
    Returns: a `Report` with `ok`, `rows` and `check()`.
    Raises: ValueError or TypeError naming an argument that does not fit.

    >>> from torch.nn.functional import softmax
    >>> verify(softmax, dtypes=["float32"], examples=10, seed=0).ok
    True
    """
    arguments = operation, adapter, device, dtypes, examples, interface
    candidate = settled(target, *arguments, in_process=in_process, time_limit=time_limit)
    terms = Terms(
        device,
        model(arithmetic),
        _name(arithmetic),
        accuracy,
        load_baseline(accuracy, baseline, factor, operation),
        factor,
        dtypes_of(candidate, dtypes),
        shrink=shrink,
        database=opened(database) if isinstance(database, str | Path) else database,
    )
    check_terms(candidate, terms.baseline, terms.model, terms.dtypes)
    if seed is not None and not isinstance(seed, int):
        raise TypeError(f"seed is {seed!r}; expected a whole number or None")
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    asked = [(name, dtype) for name in _questions(candidate) for dtype in terms.dtypes]
    rows: list[Row] = []
    with closing(candidate):
        for number, (name, dtype) in enumerate(asked, start=1):
            if rows and not rows[-1].ok:
                candidate.renew()
            rows.append(_row(candidate, name, dtype, terms, examples, seed))
            if progress is not None:
                progress(rows[-1], number, len(asked))
    return Report(tuple(rows), seed)


BY_STAGES = ", by stages"


def _questions(candidate: Candidate) -> tuple[str, ...]:
    """The operations of a candidate, and its classifier by stages when it has the stages."""
    network = "linear_cross_entropy"
    alike = not candidate.interface.fixed and not candidate.interface.ndim
    whole = alike and {network, *NEEDED} <= set(candidate.operations)
    return candidate.operations + ((network + BY_STAGES,) if whole else ())


@dataclass(frozen=True)
class Terms:
    """What a candidate is judged by."""

    device: str
    model: Model
    name: str  # of the model; empty for the default
    accuracy: str
    baseline: Candidate | None
    factor: float
    dtypes: tuple[str, ...] = DTYPES
    by_stages: bool = False
    shrink: bool = True
    database: ExampleDatabase | None = None

    def verdict(self, candidate: Candidate, problem: Problem) -> Verdict:
        """On a whole problem, or on the worst of its stages."""
        if not self.by_stages:
            return self.judge(candidate, problem)
        return worst(stages(candidate, problem, lambda stage: self.judge(candidate, stage), self.device))

    def judge(self, candidate: Candidate, problem: Problem, bits: Sequence[int] | None = None) -> Verdict:
        """One verdict; in float64 from balls alone, so that the report states errors and not limits of errors."""
        return judge(
            candidate,
            problem,
            device=self.device,
            arithmetic=self.model,
            accuracy=self.accuracy,
            baseline=self.baseline,
            factor=self.factor,
            bits=bits or (BITS[1:] if problem.dtype == "float64" else BITS),
        )

    def judge_result(self, problem: Problem, result: Result) -> Verdict:
        """One verdict on another answer."""
        bits = BITS[1:] if problem.dtype == "float64" else BITS
        return judge_result(
            problem, result, device=self.device, arithmetic=self.model, accuracy=self.accuracy, bits=bits
        )

    def promised(self, problem: Problem) -> Problem:
        """Without derivatives where bounds are infinite because a logsumexp may be subtracted, and only then."""
        arithmetic = arithmetic_of(self.model, problem)
        if not arithmetic.subtracts_logsumexp:
            return problem
        usual = bound(problem, replace(arithmetic, subtracts_logsumexp=False))
        lost = (np.isinf(limit) & np.isfinite(usual[name]) for name, limit in bound(problem, arithmetic).items())
        return replace(problem, grad_output=None, tangent=None) if any(each.any() for each in lost) else problem

    def words(self, operation: str) -> str:
        """The keyword arguments of `judge` that repeat this, as far as they can be written down."""
        words = f"device={self.device!r}"
        if self.name:
            words += f", arithmetic={self.name!r}"
        if self.accuracy != "C":
            words += f", accuracy={self.accuracy!r}"
        if self.baseline is not None:
            words += f", baseline=load({self.baseline.source}, operation={operation!r}), factor={self.factor!r}"
        return words


def _name(arithmetic: str | Arithmetic | Model | None) -> str:
    """How a report calls a model."""
    if arithmetic is None or isinstance(arithmetic, str):
        return arithmetic or ""
    return arithmetic.name if isinstance(arithmetic, Arithmetic) else getattr(arithmetic, "__name__", "a function")


def load_baseline(
    accuracy: str, baseline: Target | None, factor: float = 1.0, operation: str | None = None
) -> Candidate | None:
    """The baseline of class D, and of no other; ValueError or TypeError where one of the arguments does not fit."""
    Accuracy(accuracy, factor)
    if (accuracy == "D") != (baseline is not None):
        raise ValueError(
            f"accuracy is {accuracy!r} and baseline is {baseline!r}; class D, and no other, needs a baseline"
        )
    if accuracy != "D" and factor != 1.0:
        raise ValueError(f"factor is {factor}; it applies to class D, and accuracy is {accuracy!r}")
    return None if baseline is None else load(baseline, operation)


def check_terms(candidate: Candidate, baseline: Candidate | None, chosen: Model, dtypes: Sequence[str]) -> None:
    """ValueError or TypeError where a baseline lacks an operation, or a model does not suit a dtype."""
    if baseline is not None and (missing := set(candidate.operations) - set(baseline.operations)):
        raise ValueError(f"baseline {baseline.name} has no {', '.join(sorted(missing))}, which {candidate.name} has")
    for dtype in dtypes:
        arithmetic_of(chosen, Problem("softmax", dtype, {"logits": [0.0]}, {"dim": 0}))


def prepare(
    target: Target,
    operation: str | None,
    adapter: str | None,
    device: str,
    dtypes: Sequence[str] | None,
    examples: int,
    interface: InterfaceArguments,
    tried: bool = True,
) -> Candidate:
    """The candidate, once every argument is known to fit; ValueError or TypeError otherwise."""
    if isinstance(dtypes, str):
        raise TypeError(f"dtypes is {dtypes!r}; expected a list of names such as [{dtypes!r}]")
    if isinstance(examples, bool) or not isinstance(examples, int) or examples < 1:
        raise ValueError(f"examples is {examples!r}; expected a whole number of at least 1")
    if dtypes is not None and not dtypes:
        raise ValueError(f"dtypes is {dtypes!r}; expected at least one name")
    candidate = load(target, operation, adapter, tried=tried, **interface)
    candidate.arrays.check_device(device)
    for dtype in dtypes_of(candidate, dtypes):
        if dtype not in FORMATS:
            raise ValueError(f"dtype is {dtype!r}; expected one of {', '.join(FORMATS)}")
        if dtype not in candidate.dtypes:
            whose = candidate.name if candidate.formats else f"the {candidate.adapter} adapter"
            raise ValueError(f"dtype is {dtype!r}; {whose} has {', '.join(candidate.dtypes)}")
    return candidate


def dtypes_of(candidate: Candidate, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """The formats that are asked: those that are wanted, or of the two of every day those that the candidate has."""
    return tuple(wanted or [each for each in DTYPES if each in candidate.dtypes] or candidate.dtypes)


def settled(target: Target, *arguments: Any, in_process: bool | None, time_limit: float) -> Candidate:
    """The candidate of `prepare(target, *arguments)`, in this process or in one of its own, with the same errors."""
    if not isinstance(time_limit, int | float) or not 0 < time_limit <= threading.TIMEOUT_MAX:
        raise ValueError(f"time_limit is {time_limit!r}; expected a positive number of seconds")
    if isinstance(target, Isolated):
        return target
    if in_process or (in_process is None and not isinstance(target, str)):
        return prepare(target, *arguments)
    if not isinstance(target, str):
        raise ValueError(
            f"in_process is False and target is a {type(target).__name__}; expected its name, such as 'manual:softmax'"
        )
    return isolated(prepare, (target, *arguments), time_limit)


def _row(candidate: Candidate, operation: str, dtype: str, terms: Terms, examples: int, seed: int) -> Row:
    """Judge one operation in one dtype on one device."""
    started = time.perf_counter()
    label, operation = operation, operation.removesuffix(BY_STAGES)
    terms = replace(terms, by_stages=label != operation)
    supports, printed = candidate.supports(operation), candidate.printed
    rotation = Rotation(candidate, terms, supports, f"{label} {dtype}")
    fixed, ndim = candidate.interface.fixed, candidate.interface.ndim
    draw = partial(problems, operation, dtype, supports=supports, layouts=candidate.layouts, fixed=fixed, ndim=ndim)
    drawn = _verdicts(rotation, draw, REGIONS[operation], examples, seed)
    large = _of_large(rotation, operation, dtype) if drawn[-1].ok and examples >= EXAMPLES else []
    last = [*drawn, *large][-1]
    measured = drawn if last.ok else [*drawn, last]  # the errors of large problems are known as limits only
    words = f", {fixed!r}" if fixed else ""
    source = f"large_problems({operation!r}, {dtype!r}, {sorted(supports)!r}{words})[{len(large) - 1}]" if large else ""
    return Row(
        implementation=candidate.name,
        operation=label,
        dtype=dtype,
        device=terms.device,
        problems=len(drawn) + len(large),
        ulps=max(verdict.ulps for verdict in measured),
        ratio=max(verdict.ratio for verdict in measured),
        verdict=_outcome([*drawn, *large]),
        gradients=candidate.differentiates(operation),
        unsupported=tuple(sorted(set(OPERATIONS[operation].extras) - supports)),
        arithmetic=terms.name or any_order(dtype).name,
        accuracy=terms.accuracy,
        ways=rotation.asked("way"),
        differ=tuple(rotation.differ),
        laws=rotation.asked("law"),
        unspecified=tuple(sorted({number for verdict in drawn for number in verdict.unspecified})),
        regions=rotation.regions,
        unpromised=rotation.unpromised,
        powerless=_powerless(drawn),
        detectable=_detectable(drawn),
        printed=candidate.printed - printed,
        seconds=time.perf_counter() - started,
        failure=None
        if last.ok
        else Failure(
            last,
            candidate.source,
            candidate.adapter,
            candidate.interface.words(),
            terms.device,
            seed,
            rotation.words(last.problem.operation if last.problem else operation),
            rotation.call,
            source,
            rotation.failed if rotation.call != "judge" else None,
        ),
    )


def _powerless(verdicts: Sequence[Verdict]) -> dict[str, dict[str, int]]:
    """For each output and each answer that is wrong altogether, on how many problems it would have passed."""
    found: dict[str, Counter[str]] = {}
    for verdict in verdicts:
        for output, wrong in verdict.powerless.items():
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


def _of_large(rotation: Rotation, operation: str, dtype: str) -> list[Verdict]:
    """Verdicts on large problems, up to the first that is not agreement; the classifier by stages, and half precision,
    where large sums keep no digit, are not asked.
    """
    verdicts: list[Verdict] = []
    terms, candidate = rotation.terms, rotation.candidate
    fixed = candidate.interface.fixed
    asked = [] if terms.by_stages or dtype not in DTYPES else large_problems(operation, dtype, rotation.extras, fixed)
    for problem in filter(candidate.takes, asked):
        with warnings.catch_warnings(action="ignore"):
            verdicts.append(terms.judge(candidate, problem, BITS))
        if not verdicts[-1].ok:
            break
    return verdicts


def _outcome(verdicts: Sequence[Verdict]) -> str:
    """The last outcome, if it is not agreement; *unspecified* where no document fixes any of the answers."""
    outcomes = {verdict.outcome for verdict in verdicts}
    return AGREES if verdicts[-1].ok and AGREES in outcomes else verdicts[-1].outcome


Draw = Callable[..., SearchStrategy[Problem]]


@dataclass(frozen=True)
class Drawn:
    """Problems that are drawn, small ones alone or all."""

    draw: Draw
    small: bool = False

    def kept(self, rotation: Rotation, everything: ExampleDatabase) -> Named:
        """The failures of these problems in a database, by what it was that failed."""
        candidate = rotation.candidate
        of = candidate.name, rotation.terms.device, rotation.row, sorted(rotation.extras), candidate.interface.words()
        return Named(everything, lambda: repr((*of, self.small, rotation.pinned)))


def _verdicts(rotation: Rotation, draw: Draw, wanted: Iterable[str], examples: int, seed: int) -> list[Verdict]:
    """Verdicts on drawn problems, until one is not agreement.

    With the default number of them, or more, others follow from the regions that they have missed.
    """
    verdicts = _kept(rotation, draw)
    if verdicts and not verdicts[-1].ok:
        return verdicts
    for number, (small, count) in enumerate(_batches(examples)):
        verdicts += _ask(rotation, Drawn(draw, small), count, f"{seed} {number}")
        if not verdicts[-1].ok:
            return verdicts
    for number in range(MORE * (examples // EXAMPLES) * EXAMPLES // BATCH):
        missed = set(wanted) - rotation.regions.keys()
        if not missed:
            break
        verdicts += _ask(rotation, Drawn(draw), BATCH, f"{seed} more {number}", missed)
        if not verdicts[-1].ok:
            break
    return verdicts


def _kept(rotation: Rotation, draw: Draw) -> list[Verdict]:
    """Verdicts on what failed in an earlier run, each asked what it failed then; what agrees is forgotten."""
    verdicts: list[Verdict] = []
    if rotation.terms.database is None:
        return verdicts
    for small in (True, False):
        for question in (("judge", ""), *rotation.counts):
            rotation.pinned = question
            agreed, refused = _run(rotation, Drawn(draw, small), EXAMPLES, "kept", None, _AGAIN)
            verdicts += [*agreed, *refused[-1:]]
            if refused:
                return verdicts
    rotation.pinned = None
    return verdicts


def _batches(examples: int) -> Iterator[tuple[bool, int]]:
    """(small, count): small problems first, since where one of them fails nobody needs a large one.

    After ten examples Hypothesis turns to mutating what it has drawn; ten at a time keeps the problems independent. The
    last fifth is drawn together, to be mutated towards larger errors.
    """
    together = examples // 5
    for small, share in ((True, examples // 3), (False, examples - examples // 3 - together)):
        for start in range(0, share, BATCH):
            yield small, min(BATCH, share - start)
    if together:
        yield False, together


def _ask(
    rotation: Rotation,
    drawn: Drawn,
    examples: int,
    seed: str,
    missed: Set[str] | None = None,
) -> list[Verdict]:
    """Verdicts on drawn problems, or on those in regions that were `missed`.

    If one is not agreement, it is the last. The same problems are then asked what disagreed, and nothing else, so that
    each has one answer only, and the smallest problem found takes its place.
    """
    agreed, refused = _run(rotation, drawn, examples, seed, missed, _FIRST)
    if not refused:
        return agreed
    if not rotation.terms.shrink or rotation.lost is not None:
        return [*agreed, refused[-1]]
    again = _run(rotation, drawn, examples, seed, missed, (*_FIRST, Phase.shrink))[1]
    return [*agreed, _smallest(rotation, again[-1]) if again else _now_and_then(refused[-1])]


def _smallest(rotation: Rotation, verdict: Verdict) -> Verdict:
    """The verdict on a problem that is smaller still; the stages of a classifier are problems of their own."""
    if rotation.terms.by_stages or verdict.problem is None:
        return verdict
    found, question = [verdict], rotation.failed

    def fails(problem: Problem) -> bool:
        if not rotation.candidate.takes(problem):
            return False
        with warnings.catch_warnings(action="ignore"):
            again = rotation.verdict(problem)
        same = not again.ok and rotation.failed == question and bool(again.output) == bool(verdict.output)
        found.extend([again] if same else [])
        return same  # what disagrees stays what it is: no number becomes an error

    smallest(verdict.problem, fails)
    rotation.failed = question
    return found[-1]


def _now_and_then(verdict: Verdict) -> Verdict:
    text = f"{verdict.explanation}; not deterministic: the same problem agreed when asked again"
    return replace(verdict, explanation=text)


_FIRST = (Phase.generate, Phase.target)
_AGAIN = (Phase.reuse, Phase.shrink)


def _run(
    rotation: Rotation,
    drawn: Drawn,
    examples: int,
    seed: str,
    missed: Set[str] | None,
    phases: tuple[Phase, ...],
) -> tuple[list[Verdict], list[Verdict]]:
    """What agreed before something else came, and what came: the last is on the smallest problem found."""
    agreed: list[Verdict] = []
    refused: list[Verdict] = []
    kept = rotation.terms.database

    @hypothesis.settings(
        max_examples=examples,
        database=kept and drawn.kept(rotation, kept),
        deadline=None,
        derandomize=False,
        phases=phases,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        verbosity=hypothesis.Verbosity.quiet,
    )
    @hypothesis.seed(seed)  # which would leave out the database, were it the last
    @hypothesis.given(problem=drawn.draw(small=drawn.small))
    def ask(problem: Problem) -> None:
        if missed is not None and not refused and missed.isdisjoint(regions(problem)):
            return
        verdict = rotation.verdict(problem)
        if not verdict.ok:
            refused.append(verdict)
            raise _NotProvenError(verdict.explanation)
        if not refused:
            agreed.append(verdict)
        hypothesis.target(min(verdict.ratio, 1.0), label="error/bound")

    try:
        with warnings.catch_warnings(action="ignore"):  # what a candidate warns about shows in its answers
            ask()
    except _NotProvenError:
        pass  # Hypothesis ends with the smallest
    except unittest.SkipTest:
        pass  # nothing was kept
    except hypothesis.errors.Flaky:
        refused.append(_now_and_then(refused[-1]))
    return agreed, refused
