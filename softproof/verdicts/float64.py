"""How much the evaluation of the truth in float64 can be trusted."""

from __future__ import annotations

import numpy as np

from ..bounds.arithmetic import NUMPY64, Arithmetic, height
from ..problem.formats import FORMATS
from ..problem.losses import mixed_weights
from ..problem.problem import Array, Problem
from ..problem.rows import class_count, count_rows, is_by_rows, row_length


def float64_decides(problem: Problem) -> bool:
    """Whether float64 evaluates the formulas without overflow, with no weight and no probability of a distribution so
    small that dividing by it does, no upstream gradient so small that it vanishes, and with no weights that cancel.
    """
    if mixed_weights(problem):
        return False
    if problem.dtype != "float64":
        return True
    for name, array in problem.inputs.items():
        if array.dtype == np.int64:
            continue
        most = float(np.max(np.abs(array), where=np.isfinite(array), initial=0.0))
        if most > 2.0**300 or (name in ("weight", "p", "q") and _smallest(array) < 2.0**-300):
            return False
    if problem.grad_output is not None and _smallest(problem.grad_output) < 2.0**-300:
        return False
    limits = ((problem.grad_output, 2.0**300), (problem.tangent, 2.0**100))
    return all(each is None or float(np.abs(each).max(initial=0.0)) <= most for each, most in limits)


def _smallest(array: Array) -> float:
    """The least magnitude that is not 0; 1 where there is none."""
    size = np.abs(array.astype(np.float64))
    return float(size.min(where=size > 0, initial=1.0))


def float64_share(problem: Problem, arithmetic: Arithmetic) -> float:
    """Theorem 15: the error of the float64 evaluation, in units of the bound of a less precise arithmetic.

    That must be at least one rounding of the less precise arithmetic, half of it where one is the last.
    """
    main = next(iter(problem.inputs.values()))
    classes = class_count(problem) if "target" in problem.inputs else row_length(problem)
    rows = count_rows(problem) if is_by_rows(problem) else main.size
    deeper = [1.0, 752 / arithmetic.c_exp, 3 / arithmetic.c_log]
    of_rows = ((arithmetic.depth, classes), (arithmetic.backward_depth, classes))
    for depth, count in (*of_rows, (arithmetic.total_depth, max(classes, rows))):
        deeper.append(count / max(1, height(depth, max(1, count))))
    deeper.append(2 * height(NUMPY64.depth, max(1, classes)))  # where Theorem 22 leaves a sum no error at all
    return max(deeper) * FORMATS["float64"].u / arithmetic.compute.u
