"""What `ignore_index` says in the words of a function that takes a mask: which rows count, as an array beside them.

The label of a row that does not count says nothing, and such a function may look it up all the same: it is a class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from .losses import is_labels, kept
from .outputs import value_shape
from .problem import Array, Problem
from .rows import class_count


def _counted(problem: Problem) -> Array:
    """Whether each row counts: booleans of the shape that a loss of each row has."""
    rows = Problem(problem.operation, problem.dtype, problem.inputs, {**problem.options, "reduction": "none"})
    return kept(problem).reshape(value_shape(rows))


MASKS: dict[str, Callable[[Problem], Array]] = {  # by names that an interface may give
    "counted": _counted,
    "row_weights": lambda problem: _counted(problem).astype(np.float64),
    "ignored": lambda problem: np.asarray(~_counted(problem)),
}


def all_count(problem: Problem) -> bool:
    """Whether no row is left out."""
    return bool(kept(problem).all())


def by_mask(names: Mapping[str, str]) -> bool:
    """Whether a function that calls things so takes a mask."""
    return not MASKS.keys().isdisjoint(names)


def classes_for_all(problem: Problem) -> Array:
    """The labels, with a class for the rows that do not count.

    Of logits it is the least probable of those that are finite, so that its loss shows.

    >>> losses = Problem("cross_entropy", "float32", {"logits": [[0.0, 1.0]] * 3, "target": [1, -100, -100]})
    >>> classes_for_all(losses)
    array([1, 0, 0])
    """
    target, classes = problem.inputs["target"], class_count(problem)
    if not is_labels(problem) or not classes:
        return target
    others = np.arange(target.size).reshape(target.shape) % classes
    if "logits" in problem.inputs:
        x = problem.inputs["logits"]
        others = np.where(np.isfinite(x), x, np.inf).argmin(min(1, x.ndim - 1))
    return np.where(_counted(problem), target, others)
