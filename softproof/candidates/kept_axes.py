"""Arrays of rows that keep the axis of classes, with size 1, for the candidate: labels (N, 1), or a value (N, 1).

Our arrays have no such axis: labels (N,), a loss without a reduction (N,), an entropy (N,).
"""

from __future__ import annotations

import numpy as np

from ..problem.arrangements import ARRANGEMENTS
from ..problem.interface import Interface
from ..problem.losses import is_labels
from ..problem.operations import OPERATIONS, PER_ROW
from ..problem.outputs import value_shape
from ..problem.problem import Array, Problem
from ..problem.rows import class_axes, reduction_of

OF_VALUE = ("value", "grad_output", "jvp")
_LAST = -1


def kept_axes(name: str, problem: Problem, interface: Interface) -> tuple[int, ...]:
    """The axes that it has more for the candidate; none of another array, or of one number for all rows.

    >>> problem = Problem("cross_entropy", "float32", {"logits": [[0.0, 1.0]], "target": [1]}, {"reduction": "none"})
    >>> kept_axes("target", problem, Interface(keepdim=frozenset({"target"})))
    (1,)
    """
    named = "value" if name in OF_VALUE else name
    if named not in interface.keepdim:
        return ()
    about = OPERATIONS[problem.operation]
    if named == "value" and about.value == PER_ROW:
        return class_axes(problem)
    if "target" not in problem.inputs or (named == "value" and reduction_of(problem) != "none"):
        return ()
    if named == "target" and not is_labels(problem):
        return ()
    rows = len(value_shape(problem)) if named == "value" else problem.inputs["target"].ndim - (not is_labels(problem))
    if interface.columns and ARRANGEMENTS["columns"].fits(about):
        return (0,)  # (1, N)
    return (rows if interface.fixed.get("dim") == _LAST else min(rows, 1),)


def with_axes(name: str, values: Array, problem: Problem, interface: Interface) -> Array:
    """The numbers with the axes that are kept."""
    axes = kept_axes(name, problem, interface)
    return np.expand_dims(values, axes) if axes else values


def without_axes(name: str, values: Array, problem: Problem, interface: Interface) -> Array:
    """An answer without them; one that does not have them has another shape than it should, and gets one more."""
    axes = kept_axes(name, problem, interface)
    if not axes:
        return values
    ours = value_shape(problem) if name in OF_VALUE else problem.inputs["target"].shape
    theirs = np.expand_dims(np.broadcast_to(False, ours), axes).shape
    return values.reshape(ours) if values.shape == theirs else values[None]
