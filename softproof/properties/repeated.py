"""The same question once more, and after something else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..problem.formats import FORMATS
from ..problem.problem import Array, Problem
from ..problem.rows import class_axes
from ..problem.slicing import row_axis, row_count, take_rows
from .questions import AFTER, BEFORE, DTYPES, AnotherAnswer, Answers, Question


def asked_twice(question: Question) -> Answers:
    """The same arrays, asked again."""
    yield question.same("asked twice", question.ask("twice"))


def asked_many_times(question: Question) -> Answers:
    """The same arrays, asked many times: counters, and what is tuned at the n-th call."""
    yield question.same("asked many times", question.ask("many times"))


def two_threads(question: Question) -> Answers:
    """Another question at the same time in the same process."""
    yield question.same("while another thread asks something else", question.ask("two threads"))


def overwritten_answers(question: Question) -> Answers:
    """Answers belong to the caller: they share no memory with an input or an earlier answer."""
    result = question.ask("overwriting answers")
    yield from (f"after its answers were overwritten: {fault}" for fault in result.observed[:1])
    yield question.same("after its answers were overwritten", result)


def after_other_values(question: Question) -> Answers:
    """Another problem of the same shape and dtype in between, judged as well."""
    name, main = next(iter(question.problem.inputs.items()))
    last = class_axes(question.problem)[-1]  # along which a row lies
    other = replace(question.problem, inputs={**question.problem.inputs, name: np.roll(main, 1, last)})
    yield AnotherAnswer("after other values of the same shape", other, question.again(other))
    yield question.same("asked again after other values of the same shape", question.again())


def after_another_dtype(question: Question) -> Answers:
    """The same numbers in another dtype in between, judged as well, unless it is never more accurate in that dtype."""
    other = in_dtype(question.problem, _other_dtype(question))
    assert other is not None  # or this check does not apply
    answer, unseen = question.again(other), _unseen(other)
    if unseen is not None:
        yield AnotherAnswer(f"in {other.dtype} after {question.problem.dtype}", other, answer, fresh=unseen)
    yield question.same(f"asked again after {other.dtype}", question.again())


def _unseen(problem: Problem) -> Problem | None:
    """The same numbers in a shape for which nothing can have been kept, if they are rows."""
    if row_axis(problem, next(iter(problem.inputs))) is None or not row_count(problem):
        return None
    return take_rows(problem, [*range(row_count(problem)), *[0] * (BEFORE + AFTER)])


def fits_another_dtype(question: Question) -> bool:
    """Whether another dtype may be asked and holds the problem."""
    dtype = _other_dtype(question)
    return bool(dtype) and in_dtype(question.problem, dtype) is not None


def _other_dtype(question: Question) -> str:
    """The first of DTYPES that may be asked and is another one, or nothing."""
    allowed = [dtype for dtype in DTYPES if dtype in question.dtypes and dtype in question.candidate.dtypes]
    return next((dtype for dtype in allowed if dtype != question.problem.dtype), "")


def in_dtype(problem: Problem, dtype: str) -> Problem | None:
    """The problem rounded to another dtype; None where infinities or zeros appear that were not there.

    Logits of a loss keep finite distances, as they have in the problems that are drawn.
    """
    arrays = dict(problem.inputs) | ({} if problem.grad_output is None else {"grad_output": problem.grad_output})
    rounded = {}
    for name, array in arrays.items():
        rounded[name] = array if array.dtype == np.int64 else FORMATS[dtype].round(array)
        if (np.isinf(rounded[name]) != np.isinf(array)).any() or ((rounded[name] == 0) != (array == 0)).any():
            return None
    if "target" in problem.inputs and not _has_distances(next(iter(rounded.values())), dtype):
        return None
    upstream = rounded.pop("grad_output", None)
    return replace(problem, dtype=dtype, inputs=rounded, grad_output=upstream, tangent=None)


def _has_distances(logits: Array, dtype: str) -> bool:
    """Whether the finite numbers have distances that the dtype holds."""
    finite = logits[np.isfinite(logits)].astype(np.float64)
    return not finite.size or float(np.ptp(finite)) <= FORMATS[dtype].largest


def after_another_shape(question: Question) -> Answers:
    """One row more in between."""
    question.again(take_rows(question.problem, [*range(row_count(question.problem)), 0]))
    yield question.same("asked again after another shape", question.again())


def updated_in_place(question: Question) -> Answers:
    """Other numbers in the same memory, and then the right ones."""
    yield question.same("after its arrays were updated in place", question.ask("updated in place"))
    alone = question.ask("updated in place", "value")
    yield question.same("asked for its value alone, after its arrays were updated in place", alone, ("value",))


def has_rows(question: Question) -> bool:
    """Whether there is a row that can be taken twice."""
    problem = question.problem
    return row_axis(problem, next(iter(problem.inputs))) is not None and row_count(problem) > 0
