"""Labels of another integer type give the numbers that int64 gives, or an error."""

from __future__ import annotations

import numpy as np

from ..problem.losses import is_labels
from ..problem.problem import Problem
from ..problem.rows import class_count
from ..problem.slicing import row_count, take_rows
from .questions import AnotherAnswer, Answers, Question, values

TYPES = {"numpy": ("uint8", "int16", "int32"), "jax": ("int16", "int32"), "torch": ("int32",)}
MOST = 1 << 16  # elements: more than int16 counts


def labels_of_other_types(question: Question) -> Answers:
    """Of so many rows that the elements are more than the type counts, if that is not many; whoever refuses is right.

    torch takes an array of uint8 for a mask; and -100, which is ignored by default, is none for JAX.
    """
    for name in TYPES[question.candidate.adapter]:
        if _holds(name, question.problem):
            longer = _of_more_elements(question.problem, np.iinfo(name).max)
            problem = longer if question.candidate.takes(longer) else question.problem
            result = question.candidate.ask(problem, question.device, "labels cast", name)
            if result.raised is None:
                usual = values(question.again(problem))
                yield AnotherAnswer(f"with labels in {name}", problem, result, values(result), usual)


def _holds(name: str, problem: Problem) -> bool:
    """The labels, and that which is ignored, if it is named."""
    held, ignored = np.iinfo(name), [problem.options["ignore_index"]] if "ignore_index" in problem.options else []
    return all(held.min <= each <= held.max for each in (*ignored, *problem.inputs["target"].reshape(-1).tolist()))


def _of_more_elements(problem: Problem, count: int) -> Problem:
    """The same rows again, in any order, until there are twice `count` elements: the second half is beyond."""
    elements, rows = problem.inputs["target"].size * class_count(problem), row_count(problem)
    if 2 * count >= MOST or not problem.inputs["target"].ndim:
        return problem
    more = np.random.default_rng(count).integers(rows, size=max(0, -(-2 * count * rows // elements) - rows))
    return take_rows(problem, [*range(rows), *more])


def has_labels_to_cast(question: Question) -> bool:
    """Labels, of a candidate whose arrays have types."""
    problem = question.problem
    has = "target" in problem.inputs and is_labels(problem) and problem.inputs["target"].size > 0
    return has and question.candidate.adapter in TYPES
