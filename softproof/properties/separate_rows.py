"""Rows do not depend on each other, or on how they lie in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..problem.problem import Array, Problem
from ..problem.rows import reduction_of
from ..problem.slicing import row_axis, row_count, take_rows
from ..verdicts.misfits import not_an_answer
from .questions import AFTER, BEFORE, AnotherAnswer, Answers, Question, values


def has_separate_rows(question: Question) -> bool:
    """Whether there are rows that do not depend on each other."""
    name = next(iter(question.problem.inputs))
    rows = row_axis(question.problem, name) is not None and row_count(question.problem) > 0
    return rows and reduction_of(question.problem) == "none"


def rows_alone(question: Question) -> Answers:
    """The first row, one in the middle and the last, each asked by itself."""
    count = row_count(question.problem)
    for row in sorted({0, count // 2, count - 1}):
        yield _some_rows(question, f"with row {row} alone", [row], [row], [0])


def permuted_rows(question: Question) -> Answers:
    """The rows in the opposite order."""
    backwards = range(row_count(question.problem))[::-1]
    yield _some_rows(question, "with its rows in the opposite order", backwards, backwards, range(len(backwards)))


def padding_rows(question: Question) -> Answers:
    """More rows before and after."""
    rows = range(row_count(question.problem))
    padded = [rows[-1]] * BEFORE + [*rows] + [0] * AFTER
    yield _some_rows(question, "with other rows before and after", padded, rows, range(BEFORE, BEFORE + len(rows)))


def _some_rows(
    question: Question, words: str, asked: Sequence[int], expected: Sequence[int], seen: Sequence[int]
) -> AnotherAnswer:
    """Rows `asked`, and at `seen` among them what the first answer has at `expected`."""
    problem = take_rows(question.problem, asked)
    result = question.again(problem)
    if not_an_answer(problem, result, question.device):
        return AnotherAnswer(words, problem, result)
    return AnotherAnswer(
        words,
        problem,
        result,
        _rows_of(question.problem, values(result), seen),
        _rows_of(question.problem, values(question.first), expected),
    )


def _rows_of(problem: Problem, outputs: Mapping[str, Array], rows: Sequence[int]) -> dict[str, Array]:
    """These rows of all outputs that have rows."""
    axes = {name: row_axis(problem, name) for name in outputs}
    return {name: np.take(outputs[name], rows, axis) for name, axis in axes.items() if axis is not None}


def another_layout(question: Question) -> Answers:
    """The same numbers laid out in memory in every other way."""
    for layout in question.candidate.layouts:
        if layout != question.problem.layout:
            other = replace(question.problem, layout=layout)
            result = question.again(other)
            yield AnotherAnswer(f"laid out {layout}", other, result, values(result), values(question.first))


def has_other_layouts(question: Question) -> bool:
    """Whether there are rows, and other ways to lay them out."""
    return has_separate_rows(question) and len(question.candidate.layouts) > 1
