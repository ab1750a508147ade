"""From how many classes, rows or features on a kernel fails, by bisection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..problem.checks import check
from ..problem.losses import is_labels
from ..problem.problem import Problem
from ..problem.rows import class_count, row_axes
from ..problem.slicing import feature_count, in_rows, row_count, take_classes, take_features, take_rows
from .interview import Interview, Reply
from .record import Pattern

QUESTIONS = 10
FROM = "fails with "  # how a pattern of a size begins
SMALL = 8  # sizes that a kernel fails at without a reason in the size

Cut = Callable[[Problem, int], Problem]


def first_classes(problem: Problem, count: int) -> Problem:
    """The first classes; a label beyond them is the last of them."""
    ignored = problem.options.get("ignore_index", -100)
    if "target" in problem.inputs and is_labels(problem):
        labels = problem.inputs["target"]
        inside = np.where((labels >= count) & (labels != ignored), count - 1, labels)
        problem = replace(problem, inputs={**problem.inputs, "target": inside})
    return take_classes(problem, range(count))


def first_rows(problem: Problem, count: int) -> Problem:
    """The first rows."""
    return take_rows(problem, range(count))


SIZES: dict[str, tuple[Callable[[Problem], int], Cut]] = {
    "classes": (class_count, first_classes),
    "rows": (row_count, first_rows),
    "features": (feature_count, lambda problem, count: take_features(problem, range(count))),
}


def thresholds(interview: Interview, witness: Reply) -> list[Pattern]:
    """The sizes of a witness below which the same question is answered right."""
    texts = []
    problem = _as_a_matrix(interview, replace(witness.problem, tangent=None))
    for words, (size, cut) in SIZES.items():
        if size(problem) > SMALL:
            interview.most = len(interview.replies) + QUESTIONS
            smallest = _smallest(interview, problem, size(problem), cut)
            texts += [] if smallest is None else [f"{FROM}{smallest} {words}, and not with {smallest - 1}"]
    return [Pattern(text, 0, 0) for text in texts]


def _as_a_matrix(interview: Interview, problem: Problem) -> Problem:
    """The question with its rows along one axis, if it is answered wrongly then, too."""
    if len(row_axes(problem)) < 2:
        return problem
    interview.most = len(interview.replies) + 1
    flat = in_rows(problem)
    return flat if _fails(interview, flat) else problem


def _smallest(interview: Interview, problem: Problem, size: int, cut: Cut) -> int | None:
    """The smallest size that fails; None where a very small one does, or it was not found in time."""
    right, wrong = SMALL // 2, size
    if _fails(interview, cut(problem, right)) is not False:
        return None
    while wrong - right > 1:
        middle = wrong - 1 if wrong == size and right == SMALL // 2 else (right + wrong) // 2
        fails = _fails(interview, cut(problem, middle))
        if fails is None:
            return None
        right, wrong = (right, middle) if fails else (middle, wrong)
    return wrong


def _fails(interview: Interview, problem: Problem) -> bool | None:
    try:
        check(problem)
    except (ValueError, TypeError, IndexError):
        return None
    reply = interview.ask(problem)
    return None if reply is None else not reply.verdict.ok
