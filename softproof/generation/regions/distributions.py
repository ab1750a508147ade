"""Regions of distributions."""

from __future__ import annotations

import numpy as np

from ...problem.problem import Array, Problem
from ...problem.rows import axis_of, wide_rows
from .region import Region


def _sums(problem: Problem, name: str) -> Array:
    """Of each row of a distribution; 1 but for rounding, or not."""
    return np.asarray(wide_rows(problem.inputs[name], axis_of(problem)).sum(-1))


def _do_not_sum_to_1(problem: Problem) -> bool:
    return any(bool((np.abs(_sums(problem, name) - 1) > 0.1).any()) for name in problem.inputs)


ZEROS: dict[str, Region] = {
    "rows that do not sum to 1": _do_not_sum_to_1,
    "a probability of 0": lambda problem: any(bool((each == 0).any()) for each in problem.inputs.values()),
    "a certain outcome": lambda problem: any(bool((each == 1).any()) for each in problem.inputs.values()),
}


PAIRS_OF_DISTRIBUTIONS: dict[str, Region] = {
    "q = 0 < p": lambda problem: bool(((problem.inputs["q"] == 0) & (problem.inputs["p"] > 0)).any()),
    "less of p than of q": lambda problem: bool((2 * _sums(problem, "p") <= _sums(problem, "q")).any()),
    "p = q = 0": lambda problem: bool(((problem.inputs["q"] == 0) & (problem.inputs["p"] == 0)).any()),
}
