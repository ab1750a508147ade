"""Regions of upstream gradients."""

from __future__ import annotations

import numpy as np

from ...problem.formats import FORMATS
from ...problem.outputs import value_shape
from ...problem.problem import Array, Problem
from ..drawn_arrays import near_overflow
from .region import Region


def upstream(problem: Problem) -> Array:
    """The upstream gradient in a row; nothing where there is none."""
    g = problem.grad_output
    return np.zeros(0) if g is None else g.astype(np.float64).reshape(-1)


def _first_upstream(problem: Problem, first: float) -> bool:
    """Whether the first is this, and most others are not: a shortcut that looks at one of them concludes too much."""
    g = upstream(problem)
    return g.size > 1 and g[0] == first and bool((g[1:] != first).mean() > 0.5)


def _near_overflow(problem: Problem) -> bool:
    """Whether some are as large as may be, but for a small factor."""
    g = np.abs(upstream(problem))
    return bool((g * 4 > near_overflow(FORMATS[problem.dtype], g.size)).any())


UPSTREAM: dict[str, Region] = {
    "an upstream gradient of zero": lambda problem: bool(upstream(problem).size) and not upstream(problem).any(),
    "upstream gradients that differ": lambda problem: len(np.unique(upstream(problem))) > 1,
    "one upstream gradient for all": lambda problem: (
        upstream(problem).size > 1 and len(np.unique(upstream(problem))) == 1 and upstream(problem)[0] not in (0, 1)
    ),
    "a huge upstream gradient": lambda problem: bool((np.abs(upstream(problem)) > 1e6).any()),
    "an upstream gradient near overflow": _near_overflow,
    "a tiny upstream gradient": lambda problem: bool(
        ((np.abs(upstream(problem)) < 1e-20) & (upstream(problem) != 0)).any()
    ),
    "an upstream gradient of 1 before others": lambda problem: _first_upstream(problem, 1.0),
    "an upstream gradient of 0 before others": lambda problem: _first_upstream(problem, 0.0),
}


SCALAR: dict[str, Region] = {
    "a scalar upstream gradient that is not 1": lambda problem: (
        value_shape(problem) == () and upstream(problem).size == 1 and upstream(problem)[0] not in (0, 1)
    ),
}
