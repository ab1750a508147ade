"""Large problems in a run: each is asked once, and what disagrees again in smaller sizes."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..candidates.channel import is_late
from ..generation.coverage import sizes_of
from ..generation.large import LargeProblems, large_problems
from ..generation.shrinking import smallest
from ..problem.kinds import kinds_of
from ..problem.problem import COMMON_LAYOUTS, Problem
from ..problem.size_limits import limit
from ..truth.solver import DOUBLE_DOUBLE, FLOAT64
from ..verdicts.case import BITS
from ..verdicts.verdict import Verdict
from .schedule import Schedule, against

SHORT, PRINTED = 4096, 128  # numbers of a problem that is made as small as a drawn one, and of one that is printed

FAST = (FLOAT64, DOUBLE_DOUBLE)  # precisions of the truth


BY_LAYOUT = "it agrees with contiguous arrays"


@dataclass
class OnLarge:
    """Verdicts on large problems by their number, up to the first against, and Python that makes the last problem."""

    found: dict[int, Verdict] = field(default_factory=dict)
    source: str = ""


def verdicts_on_large(schedule: Schedule, operation: str, dtype: str, seed: int) -> OnLarge:
    """Verdicts on the large problems of a seed; the classifier by stages is not asked.

    *No guarantee* is not against: a sum may be so long that the arithmetic promises no digit of it. A problem that is
    against is asked again in smaller sizes.
    """
    criteria, candidate = schedule.criteria, schedule.candidate
    asked = OnLarge()
    if criteria.by_stages:
        return asked
    words = _Words(operation, dtype, schedule, seed)
    problems = words.problems()
    answered = dict[str, int]()  # the largest size in each dimension
    longest = {plan.dimension: number for number, plan in enumerate(problems.plans)}.values()
    for number, whole in enumerate(problems):
        if (problem := schedule.narrowed(whole)) is None:
            continue
        schedule.sign(problem)
        started, long, size = time.perf_counter(), problems.plans[number].dimension, problems.plans[number].size
        schedule.making = asked.source = _source(f"{words}[{number}]", problem, whole)
        verdict = _judged(schedule, problem)
        schedule.making = ""
        late = is_late(candidate.process.lost)
        schedule.slow[long] = schedule.slow.get(long, 0.0) + time.perf_counter() - started
        if against(verdict) and criteria.shrink and problem is whole and not candidate.process.lost:
            verdict, asked.source = _shorter(schedule, problems, number, verdict, words)
        elif number in longest and verdict.ok and not verdict.unspecified:
            with warnings.catch_warnings(action="ignore"):
                verdict = schedule.of_large(problem) or verdict
            late = is_late(candidate.process.lost)
        asked.found[number] = verdict
        if late:
            schedule.late = _too_late(candidate.process.lost, long, size, answered.get(long, 0))
        answered[long] = max(size, answered.get(long, 0))
        if against(verdict):
            break
        for reached in sizes_of(problem):
            schedule.regions[reached] = schedule.regions.get(reached, 0) + 1
    return asked


def _source(source: str, asked: Problem, whole: Problem) -> str:
    """Python that makes what of a problem is asked."""
    if asked is whole:
        return source
    value = "" if asked.grad_output is not None else ", grad_output=None"
    return f"replace({source}{value}, tangent=None)"


def _too_late(lost: str, long: str, size: int, answered: int) -> str:
    """What to do where a large problem was not answered in time, which is no wrong answer."""
    of_batch = long == "batch"
    less = limit(answered, "of a batch" if of_batch else long) if 0 < answered < size else ""
    return not_in_time(lost, f"a problem of {size:,} {'rows' if of_batch else long}", less)


def not_in_time(lost: str, what: str, less: str) -> str:
    """What to do where something was not answered in time, and what leaves such out, if anything does."""
    told = f"{lost} to {what}; allow it more: --time-limit SECONDS"
    return f"{told}, or leave such out: --without {less}" if less else told


@dataclass(frozen=True)
class _Words:
    """The large problems of a row, and Python that makes them."""

    operation: str
    dtype: str
    schedule: Schedule
    seed: int

    def _more(self) -> dict[str, Any]:
        """Keyword arguments."""
        candidate = self.schedule.candidate
        fixed, ndim, layouts = candidate.interface.fixed, sorted(candidate.interface.ndim), candidate.layouts
        more: dict[str, Any] = {"fixed": dict(fixed)} if fixed else {}
        more |= {"ndim": ndim} if ndim else {}
        more |= {"layouts": layouts} if tuple(layouts) != COMMON_LAYOUTS else {}
        return more | {"seed": self.seed}

    def problems(self) -> LargeProblems:
        """All of them."""
        return large_problems(self.operation, self.dtype, self.schedule.extras, **self._more())

    def __str__(self) -> str:
        more = "".join(f", {name}={value!r}" for name, value in self._more().items())
        return f"large_problems({self.operation!r}, {self.dtype!r}, {sorted(self.schedule.extras)!r}{more})"


def _judged(schedule: Schedule, problem: Problem, bits: Sequence[int] = BITS) -> Verdict:
    """From the first model on under which it agrees."""
    with warnings.catch_warnings(action="ignore"):
        return schedule.climbing(lambda criteria, candidate: criteria.judge(candidate, problem, bits), problem)


def _shorter(
    schedule: Schedule, problems: LargeProblems, number: int, verdict: Verdict, words: _Words
) -> tuple[Verdict, str]:
    """The verdict on the shortest problem of its kind that is against, found by halving, and Python that makes it.

    What is short enough to be looked at becomes as small as any other, and needs no Python.
    """
    plan = problems.plans[number]
    schedule.pinned = schedule.failed = ("judge", "")
    if "layouts" in kinds_of(problems[number]) and _judged(schedule, replace(problems[number], layout="contiguous")).ok:
        return replace(verdict, explanation=f"{verdict.explanation}; {BY_LAYOUT}"), f"{words}[{number}]"

    def fails(problem: Problem) -> bool:
        """Without balls, which are slow: where these cannot tell, nothing is shorter; nor is what is left out."""
        if not schedule.asks(problem):
            return False
        again = _judged(schedule, problem, FAST)
        return against(again) and again.outcome == verdict.outcome and bool(again.output) == bool(verdict.output)

    def agrees(size: int) -> bool:
        """Which is certain, as any verdict."""
        shorter = problems.resized(number, size)
        return schedule.candidate.takes(shorter) and _judged(schedule, shorter).ok

    low, high = halved(plan.size, lambda size: fails(problems.resized(number, size)))
    problem, source = problems.resized(number, high), f"{words}.resized({number}, {high})"
    where = f"; {plan.dimension}: {high}, and with {low} it agrees" if low and agrees(low) else ""
    if elements(problem) <= SHORT and elements(least := smallest(problem, fails)) <= PRINTED:
        problem, source, where = least, "", ""
    again = verdict if high == plan.size else _judged(schedule, problem)
    if not against(again):
        return verdict, f"{words}[{number}]"
    return replace(again, explanation=again.explanation + where), source


def halved(size: int, fails: Callable[[int], bool]) -> tuple[int, int]:
    """Two sizes next to each other, of which the larger fails and the smaller does not; 0 has not been tried.

    >>> halved(100, lambda size: size > 64)
    (64, 65)
    """
    low, high = 0, size
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fails(middle) else (middle, high)
    return low, high


def elements(problem: Problem) -> int:
    """How many numbers a problem has."""
    return sum(array.size for array in problem.inputs.values())
