"""What `ignore_index` says in the words of a function that takes a mask: which rows count, as an array beside them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .losses import kept
from .outputs import value_shape
from .problem import Array, Problem


def _counted(problem: Problem) -> Array:
    """Whether each row counts: booleans of the shape that a loss of each row has."""
    rows = Problem(problem.operation, problem.dtype, problem.inputs, {**problem.options, "reduction": "none"})
    return kept(problem).reshape(value_shape(rows))


MASKS: dict[str, Callable[[Problem], Array]] = {  # by names that an interface may give
    "counted": _counted,
    "row_weights": lambda problem: _counted(problem).astype(np.float64),
    "ignored": lambda problem: np.asarray(~_counted(problem)),
}
