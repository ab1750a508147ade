"""Labels that belong to the position before, as in a language model whose loss takes the logits of whole sequences.

Such a loss drops the last position of the logits, which no label follows, and the first label. It is given one more of
each, a position of other logits and the last label. What it drops must not count: the gradient of that position is 0.
"""

from __future__ import annotations

import numpy as np

from ..problem.problem import Array, Problem
from ..problem.row_masks import MASKS

_ROWS = ("logits", "input")  # what has a row for each label
_LAST = (0.5, -0.25, 1.0)  # over and over: the numbers of the last position, which every format has


def _of(name: str) -> str:
    """The input that an array has the shape of."""
    return "logits" if name == "tangent" else name.removeprefix("grad_").removeprefix("hvp_")


def _axis(name: str, problem: Problem) -> int:
    """The axis of the positions: the last, but that of classes or features."""
    if name in _ROWS:
        return problem.inputs[name].ndim - (2 if problem.inputs[name].ndim == 2 or name == "input" else 1)
    return problem.inputs["target"].ndim - 1


def lengthened(name: str, values: Array, problem: Problem) -> Array:
    """With a position more at the end, or a label more in front; other arrays stay as they are.

    >>> problem = Problem("cross_entropy", "float64", {"logits": [[1.0, 2.0], [3.0, 4.0]], "target": [1, 0]})
    >>> lengthened("logits", problem.inputs["logits"], problem)
    array([[ 1.  ,  2.  ],
           [ 3.  ,  4.  ],
           [ 0.5 , -0.25]])
    >>> lengthened("target", problem.inputs["target"], problem)
    array([0, 1, 0])
    """
    of = _of(name)
    if of in _ROWS:
        axis = _axis(of, problem)
        return np.concatenate([values, np.resize(np.array(_LAST, values.dtype), _one(values, axis))], axis)
    if of != "target" and of not in MASKS:
        return values
    axis = _axis(of, problem)
    first = np.take(values, [-1], axis) if values.shape[axis] else np.zeros_like(values, shape=_one(values, axis))
    if of in MASKS:  # as often as not it does not count, as a prompt does not
        first = np.full_like(first, (problem.inputs["target"].size % 2 == 0) != (of == "ignored"))
    return np.concatenate([first, values], axis)


def shortened(name: str, values: Array, problem: Problem) -> Array:
    """Without that position, or that label; an array of another shape stays as it is, and is wrong."""
    parts = _apart(name, values, problem)
    return values if parts is None else np.ascontiguousarray(parts[0])


def goes_beyond(name: str, values: Array, problem: Problem) -> bool:
    """Whether it is a gradient that is not 0 at that position, on which nothing depends.

    >>> problem = Problem("cross_entropy", "float32", {"logits": [[1.0, 2.0]], "target": [1]})
    >>> goes_beyond("grad_logits", np.array([[0.5, -0.5], [0.0, 0.25]]), problem)
    True
    """
    parts = _apart(name, values, problem) if name.startswith(("grad_", "hvp_")) else None
    return parts is not None and bool((parts[1] != 0).any())


def _apart(name: str, values: Array, problem: Problem) -> tuple[Array, Array] | None:
    """What was asked, and what is more; None where it is not longer by one."""
    of = _of(name)
    if of not in (*_ROWS, "target"):
        return None
    axis, shape = _axis(of, problem), list(problem.inputs[of].shape)
    shape[axis] += 1
    if values.shape != tuple(shape):
        return None
    first, last = np.split(values, [shape[axis] - 1 if of in _ROWS else 1], axis)
    return (first, last) if of in _ROWS else (last, first)


def _one(values: Array, axis: int) -> tuple[int, ...]:
    """The shape with one position."""
    return (*values.shape[:axis], 1, *values.shape[axis + 1 :])
