"""Rows that are repeated until an array has more elements than some indices count, and the answer in parts.

A part is as long as the rows of the question, and so an answer to that question itself, however far back it lies.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..problem.operations import OPERATIONS
from ..problem.outputs import value_shape
from ..problem.problem import Problem
from ..problem.rows import main_input, reduction_of
from .functions import made
from .task import Arrays, Task

PART = "part of many"  # the directive
OF_ALL_ROWS = ("weight", "bias", "linear_weight", "linear_bias")  # inputs that are not made of rows
_kept: list[tuple[Any, Arrays]] = []  # which part comes next, and all of the answer


def has_rows(name: str, problem: Problem) -> bool:
    """Whether an input, the value, or the gradient of either has a row for each of those of the problem.

    >>> problem = Problem("linear", "float32", {"input": [[0.0]], "weight": [[1.0], [2.0]]})
    >>> has_rows("grad_input", problem), has_rows("value", problem), has_rows("grad_weight", problem)
    (True, True, False)
    """
    if name in ("value", "grad_output"):
        return bool(value_shape(problem))
    return name.removeprefix("grad_") not in (*OF_ALL_ROWS, *OPERATIONS[problem.operation].constants)


def forget() -> None:
    """What was asked last is not asked any more."""
    _kept.clear()


def part_of_many(task: Task) -> Arrays:
    """The part with a number, counted from 0, of the answer to the rows so many times; of what is made of rows.

    Parts are asked in their order, and the first asks the candidate. Of a mean the upstream gradient is so many times
    larger, so that gradients stay those of the question; or they are, where they are results beside the value. It is a
    power of 2, which rounds nothing.
    """
    times, part = map(int, task.arguments)
    asked = task.problem.operation, task.problem.dtype, task.device, times, id(task.candidate)
    kept = _kept.pop() if _kept else None
    answer = kept[1] if kept is not None and part and kept[0] == (*asked, part) else None
    answer = _answer(task, times) if answer is None else answer
    _kept.extend([((*asked, part + 1), answer)] if part + 1 < times else [])
    rows = slice(part * len(main_input(task.problem)), (part + 1) * len(main_input(task.problem)))
    return {name: each[rows] for name, each in answer.items()}


def _answer(task: Task, times: int) -> Arrays:
    """The value and the gradients of all rows."""
    problem, is_mean = task.problem, reduction_of(task.problem) == "mean"
    beside = bool(task.candidate.interface.beside(problem.operation))
    upstream = problem.grad_output
    if is_mean and upstream is not None and not beside:
        problem = replace(problem, grad_output=upstream * times)
    arrays = made(task.candidate, problem, task.device)
    many = {name: task.framework.join([array] * times) if has_rows(name, problem) else array
            for name, array in arrays.items()}  # fmt: skip
    answer = replace(task, problem=problem, arrays=many).value_and_gradients()
    of_rows = {name: each for name, each in answer.items() if has_rows(name, problem)}
    return {name: each * times for name, each in of_rows.items()} if is_mean and beside else of_rows
