"""Masks of classes, as arguments of a function: in place of a logit of -inf, it has another, which the mask leaves out.

So a function that takes such a mask is asked the same as one that takes -inf: the value there is that of -inf, and the
gradient 0.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from .operations import OPERATIONS
from .problem import Array, Problem
from .rows import class_axes

CLASS_MASKS: dict[str, Callable[[Array], Array]] = {
    "@counted": np.logical_not,
    "@ignored": np.asarray,
    "@counted_ones": lambda ignored: 1.0 - ignored,
    "@ignored_ones": lambda ignored: 1.0 * ignored,
    "@added": lambda ignored: np.where(ignored, -np.inf, 0.0),
}


def masks_classes(extra: Mapping[str, Any]) -> bool:
    """Whether an argument is a mask of classes."""
    return any(isinstance(value, str) and value in CLASS_MASKS for value in extra.values())


def class_mask(name: str, problem: Problem) -> Array:
    """The array of one of CLASS_MASKS, of the shape of the logits.

    >>> masked = Problem("softmax", "float32", {"logits": [2.0, -np.inf, 1.0]}, {"dim": 0})
    >>> class_mask("@counted", masked), class_mask("@added", masked)
    (array([ True, False,  True]), array([  0., -inf,   0.]))
    """
    if not has_logits_alone(problem.operation):
        raise ValueError(f"{name} is a mask of logits; {problem.operation} takes {', '.join(problem.inputs)}")
    return np.asarray(CLASS_MASKS[name](np.isneginf(problem.inputs["logits"])))


def filled(problem: Problem) -> Array:
    """The logits, with the largest finite one of its row in the place of each -inf, or 0.

    >>> filled(Problem("softmax", "float32", {"logits": [2.0, -np.inf, 1.0]}, {"dim": 0}))
    array([2., 2., 1.], dtype=float32)
    """
    logits = problem.inputs["logits"]
    finite = np.where(np.isfinite(logits), logits, -np.inf)
    largest = finite.max(class_axes(problem), keepdims=True, initial=-np.inf)
    return np.where(np.isneginf(logits), np.where(np.isfinite(largest), largest, 0), logits).astype(logits.dtype)


def unfilled(values: Array, problem: Problem) -> Array:
    """Logits after a call, with -inf again where the number stands that was given in its place; and that for another.

    >>> masked = Problem("softmax", "float32", {"logits": [2.0, -np.inf, -np.inf]}, {"dim": 0})
    >>> unfilled(np.array([2.0, 2.0, -np.inf]), masked)
    array([  2., -inf,   2.])
    """
    logits, given = problem.inputs["logits"], filled(problem)
    if values.shape != logits.shape:
        return values
    return np.where(np.isneginf(logits), np.where(values == given, logits, given), values).astype(values.dtype)


def check_class_masks(extra: Mapping[str, Any], operations: Collection[str], *, row_by_row: bool) -> None:
    """ValueError where a mask of classes is given for what does not take logits alone, or for a row at a time."""
    fits = [each for each in operations if has_logits_alone(each)]
    for name, value in extra.items():
        if masks_classes({name: value}) and (row_by_row or not fits):
            what = "row_by_row is True" if row_by_row else f"it has {', '.join(operations)}"
            expected = ", ".join(filter(has_logits_alone, OPERATIONS))
            raise ValueError(f"extra {name} is {value}, and {what}; expected all rows at once, and one of {expected}")


def has_logits_alone(operation: str) -> bool:
    """Whether an operation takes logits and no other array."""
    return OPERATIONS[operation].inputs == ("logits",)
