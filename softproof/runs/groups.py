"""The groups of a row, each from what was asked and from the verdicts that count."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..bounds.arithmetic import any_order
from ..bounds.models import Model, arithmetic_of
from ..bounds.theorems import theorems
from ..candidates.candidate import Candidate
from ..candidates.plain_text import plain
from ..generation.coverage import MANY
from ..generation.many_elements import COUNTED, reached
from ..problem.interface import HALF_VALUE, gradient_of
from ..problem.operations import OPERATIONS
from ..problem.problem import Problem
from ..problem.size_limits import ELEMENTS, is_limit, limit
from ..properties.checks import CHECKS
from ..properties.measured import Measured
from ..reports.required import CANNOT_ASK, HUGE, missing
from ..reports.row import Asked, Basis, Coverage, Errors, Outcome
from ..verdicts.verdict import AGREES, UNSPECIFIED, Verdict
from .climbing import counts
from .drawing import drawing
from .large import OnLarge
from .points import points
from .probing import hints
from .schedule import LEFT_OUT, Schedule

PATIENCE = 20.0  # seconds of the large problems of one dimension


@dataclass(frozen=True)
class Judged:
    """The verdicts of a row that count, on drawn problems and on large ones, and how many do not."""

    drawn: Sequence[Verdict]
    large: Sequence[Verdict] = ()
    uncounted: int = 0
    source: str = ""  # Python that makes the last problem, where it is large

    @classmethod
    def of(cls, small: Sequence[Verdict], on_large: OnLarge) -> Judged:
        """Of all verdicts those that count; where none does, those on drawn problems."""
        drawn, large = list(filter(counts, small)), list(filter(counts, on_large.found.values()))
        if not drawn and not large:
            return cls(small, source=on_large.source)
        asked = [*(each for each in small if each.explanation != LEFT_OUT), *on_large.found]
        uncounted = len(asked) - len(drawn) - len(large)
        return cls(drawn, large, uncounted, on_large.source)

    @property
    def verdicts(self) -> list[Verdict]:
        """All of them, in the order in which they were found."""
        return [*self.drawn, *self.large]

    @property
    def last(self) -> Verdict:
        """The only one that may be against."""
        return self.verdicts[-1]

    @property
    def measured(self) -> list[Verdict]:
        """Those with errors: of large problems that agree limits alone are known."""
        return list(self.drawn) if self.last.ok and self.drawn else [*self.drawn, self.last]


def outcome(judged: Judged, schedule: Schedule, operation: str, printed: int, started: float) -> Outcome:
    """What came of a row that `started` at a time, when so many bytes had been `printed`."""
    candidate, require = schedule.candidate, schedule.criteria.require
    require = tuple(name for name in require if name != HUGE or not schedule.criteria.by_stages)
    lacks = missing(require, operation, _outputs(judged.verdicts, schedule)) if judged.last.ok else ()
    return Outcome(
        verdict=CANNOT_ASK if lacks else _verdict(judged.verdicts),
        reason=_lacking(lacks) if lacks else "",
        lost=plain(candidate.process.lost),
        unspecified=tuple(sorted({number for verdict in judged.drawn for number in verdict.unspecified})),
        printed=candidate.process.printed - printed,
        seconds=time.perf_counter() - started,
    )


def _lacking(lacks: Sequence[str]) -> str:
    """Why a row does not agree that lacks what is required."""
    text = f"required, and judged in none of its problems: {', '.join(lacks)}"
    return f"{text}; {OF_ARRAYS}" if HUGE in lacks else text


OF_ARRAYS = (
    "arrays of more than 2^31 elements are asked from 100 problems on, of functions of arrays with rows along the "
    "first of two axes, that need no sizes or masks of rows, and of no mean in float16"
)


def asked(schedule: Schedule, operation: str) -> Asked:
    """What was asked of it."""
    candidate = schedule.candidate
    within = (name for name in schedule.differ if ("check", name) != schedule.failed)  # which was not within its bound
    return Asked(
        gradients=candidate.differentiates(operation),
        unsupported=(
            *_unsupported(candidate, operation, schedule.extras),
            *_beside_its_gradients(candidate, operation, schedule.extras),
        ),
        hints=(*hints(candidate, operation), *slow(schedule.slow)),
        checks=schedule.asked("check"),
        differ=tuple(within),
        relations=schedule.asked("relation"),
    )


def slow(seconds: Mapping[str, float]) -> Iterator[str]:
    """What took long: large problems, by the dimension that is long in them, and how to leave those out.

    >>> list(slow({"rows": 95.4, "classes": 2.0}))
    ['its problems of many rows took 95 s; to leave those out: --without more_than_1000_rows']
    """
    for dimension, taken in seconds.items():
        if taken >= PATIENCE:
            name = "of a batch" if dimension == "batch" else dimension
            many = "large batches" if dimension == "batch" else f"many {dimension}"
            without = f"--without {limit(COUNTED['float32'] if dimension == ELEMENTS else MANY[0], name)}"
            yield f"its problems of {many} took {taken:.0f} s; to leave those out: {without}"


def coverage(judged: Judged, schedule: Schedule) -> Coverage:
    """On which problems."""
    candidate, interface = schedule.candidate, schedule.candidate.interface
    return Coverage(
        problems=len(judged.verdicts),
        unbounded=schedule.unbounded,
        uncounted=judged.uncounted,
        regions=schedule.regions,
        drawing=drawing(schedule.extras, candidate.layouts, interface.fixed, interface.ndim),
        digest=schedule.digest.hexdigest(),
    )


def errors(judged: Judged, schedule: Schedule) -> Errors:
    """How far off it was."""
    return Errors(
        ulps=max(verdict.ulps for verdict in judged.measured),
        ratio=max(verdict.ratio for verdict in judged.measured),
        ratios=_ratios(judged.measured),
        beyond=schedule.beyond,
        detectable=_detectable(judged.drawn),
        vacuous=_vacuous(judged.drawn),
        points=points(judged.drawn, judged.large),
    )


def basis(judged: Judged, schedule: Schedule, operation: str, dtype: str) -> Basis:
    """The model of the row, as it answers for one problem, and what is believed besides."""
    criteria, candidate = schedule.criteria, schedule.candidate
    sums, unmeasured = _sums(criteria.model, operation, dtype)
    problem = judged.last.problem or Problem("softmax", dtype, {"logits": [0.0]}, {"dim": 0})
    arithmetic = arithmetic_of(criteria.model, problem)
    return Basis(
        arithmetic=criteria.name or any_order(dtype).name,
        model=plain(f"{arithmetic.name}: {arithmetic.source}"),
        accuracy=criteria.accuracy,
        theorems=theorems(operation, arithmetic, criteria.accuracy),
        sums=sums,
        unmeasured=unmeasured,
        reported=candidate.capabilities.reported(operation),
        isolated=candidate.process.elsewhere,
    )


def _verdict(verdicts: Sequence[Verdict]) -> str:
    """The last outcome that is no agreement; *unspecified* where no document fixes any of the answers."""
    others = [verdict.outcome for verdict in verdicts if not verdict.ok]
    return others[-1] if others else AGREES if AGREES in {each.outcome for each in verdicts} else UNSPECIFIED


def _outputs(verdicts: Sequence[Verdict], schedule: Schedule) -> set[str]:
    """The outputs that were compared with the truth; a classifier by stages is judged on all that its stages have."""
    found = {output for verdict in verdicts for output in verdict.ratios}
    operation = verdicts[-1].problem.operation if verdicts[-1].problem else ""
    by_stages = schedule.criteria.by_stages and schedule.candidate.differentiates(operation) if operation else False
    huge = {HUGE} if reached(COUNTED["int32"]) in schedule.regions else set()
    return found | huge | ({"grad_"} if by_stages else set())


_ASKED = frozenset(("layouts", HALF_VALUE, *CHECKS))  # how a problem is asked, whatever the operation


def _unsupported(candidate: Candidate, operation: str, supports: frozenset[str]) -> tuple[str, ...]:
    """What is not asked of an operation, in the words of `without`."""
    left_out = {each for each in candidate.interface.without if each in _ASKED or is_limit(each)}
    left_out |= candidate.interface.without & {*map(gradient_of, OPERATIONS[operation].gradients)}
    left_out |= {"several rows at once"} if candidate.interface.row_by_row else set()
    left_out |= {"which of its sums is which"} if candidate.interface.summed else set()
    return tuple(sorted({*OPERATIONS[operation].extras, *left_out} - supports))


def _beside_its_gradients(candidate: Candidate, operation: str, supports: frozenset[str]) -> Iterator[str]:
    """Where gradients are results beside the value: other upstream gradients, and the inputs whose gradient none is."""
    beside, about = candidate.interface.beside(operation), OPERATIONS[operation]
    if not beside or not candidate.differentiates(operation):
        return
    yield "upstream gradients other than 1"
    given = {*about.inputs, *supports} - ({"target"} if "probabilities" not in supports else set())
    yield from (f"the gradient of {name}" for name in about.gradients if name in given - beside.keys())


def _sums(model: Model, operation: str, dtype: str) -> tuple[dict[str, int], dict[str, int]]:
    """How deep sums are where that was measured, and why not elsewhere."""
    if not isinstance(model, Measured):
        return {}, {}
    return model.told(operation, dtype), model.reasons(operation, dtype)


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
