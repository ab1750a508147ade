"""More elements than an index of float32 counts, in every run, and than one of 32 bits, where that is required."""

from __future__ import annotations

import time
import warnings

from ..candidates.channel import is_late
from ..generation.many_elements import COUNTED, Repeated, reached, repeated_rows
from ..problem.interface import Interface
from ..problem.problem import Problem, Result
from ..problem.size_limits import ELEMENTS, is_beyond, limit
from ..properties.in_parts import IN_PART, check_repeated, judged_in_parts
from ..reports.required import HUGE
from ..verdicts.verdict import Verdict
from .large import OnLarge, not_in_time
from .schedule import REPEATED, Schedule, against

OWN_ARRAYS = ("numpy", "torch", "jax")  # adapters whose functions are called with arrays


def verdicts_beyond(schedule: Schedule, operation: str, dtype: str, seed: int) -> OnLarge:
    """Verdicts by the number of elements, up to the first against; none of what cannot be given many rows."""
    asked = OnLarge()
    for index in COUNTED:
        if index == "int32" and HUGE not in schedule.criteria.require:
            continue
        question = _question(schedule, operation, dtype, seed, index)
        if question is None:
            continue
        (problem, times), count = question, COUNTED[index]
        schedule.sign(problem)
        started = time.perf_counter()
        schedule.making = asked.source = f"{_source(schedule, operation, dtype, seed, index)}.problem"
        asked.found[count] = verdict = _judged(schedule, problem, times)
        schedule.making = ""
        schedule.slow[ELEMENTS] = schedule.slow.get(ELEMENTS, 0.0) + time.perf_counter() - started
        lost = schedule.candidate.process.lost
        if is_late(lost):
            schedule.late = not_in_time(lost, f"arrays of {reached(count)}", limit(count, ELEMENTS))
        if against(verdict):
            in_part = IN_PART in verdict.explanation  # the rows by themselves are a problem like any other
            schedule.pinned = schedule.failed = (REPEATED, str(times)) if in_part else ("judge", "")
            break
        if verdict.ok:  # and not where nothing is promised of the rows by themselves
            schedule.regions[reached(count)] = 1
    return asked


def _question(schedule: Schedule, operation: str, dtype: str, seed: int, index: str) -> Repeated | None:
    """What is asked, if anything is: a candidate may take no such rows, or no labels."""
    candidate, interface = schedule.candidate, schedule.candidate.interface
    if schedule.criteria.by_stages or schedule.criteria.accuracy == "D" or candidate.adapter not in OWN_ARRAYS:
        return None
    try:
        found = _made(schedule, operation, dtype, seed, index)
        check_repeated(candidate, *found)
    except ValueError:
        return None
    problem, times = found
    left_out = any(is_beyond(word, problem, times) for word in interface.without)
    return None if left_out or schedule.narrowed(problem) is not problem else found


def _made(schedule: Schedule, operation: str, dtype: str, seed: int, index: str) -> Repeated:
    interface = schedule.candidate.interface
    upstream = not interface.beside(operation)  # whose gradients are those for 1
    return repeated_rows(operation, dtype, schedule.extras, interface.fixed, index=index, seed=seed, upstream=upstream)


def _source(schedule: Schedule, operation: str, dtype: str, seed: int, index: str) -> str:
    """Python that makes it."""
    interface: Interface = schedule.candidate.interface
    more = f", {dict(interface.fixed)!r}" if interface.fixed else ""
    more += f", index={index!r}, seed={seed}" + (", upstream=False" if interface.beside(operation) else "")
    return f"repeated_rows({operation!r}, {dtype!r}, {sorted(schedule.extras)!r}{more})"


def _judged(schedule: Schedule, problem: Problem, times: int) -> Verdict:
    """From the first model on under which each part agrees."""
    candidate, device = schedule.candidate, schedule.criteria.device

    def judge(problem: Problem, result: Result) -> Verdict:
        return schedule.climbing(lambda criteria, _candidate: criteria.judge_result(problem, result), problem)

    with warnings.catch_warnings(action="ignore"):
        return judged_in_parts(candidate, problem, times, device, judge)
