"""Every operation seen as rows: one row per sample, classes last. `truth`, `bounds` and `verdicts` all work on rows, so
that they speak about the same mathematics, and a problem larger than memory is judged some rows at a time.

An output in *row form* is two-dimensional: (R, C) for what has the shape of the logits, (R, 1) for one number per row,
and (1, size) for what is not made of rows, such as the gradient of a weight or the mean of a loss.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from .operations import AS_INPUT, OPERATIONS
from .problem import Array, Problem

Rows = slice | NDArray[np.int64]
Axis = int | tuple[int, ...]  # of the classes: one axis, several, or none of a single number
ALL = slice(None)
once = lru_cache(maxsize=4)  # of what concerns all rows of a problem, which each block of them asks
BLOCK = 1 << 16  # elements judged at a time: half a mebibyte in float64

REDUCED = ("value", "jvp")  # the outputs that a reduction makes one number of


def to_rows(array: Array, axis: Axis) -> Array:
    """`array` with `axis`, or these axes, last and flattened, and everything else flattened: (R, C)."""
    moved, rest = _classes_last(array, axis)
    return moved.reshape(prod(moved.shape[:rest]), prod(moved.shape[rest:]))


def _classes_last(array: Array, axis: Axis) -> tuple[Array, int]:
    """`array` with the axes of classes last, and how many others there are."""
    if axis == array.ndim - 1:
        return array, array.ndim - 1
    axes = (axis,) if isinstance(axis, int) else axis
    return np.moveaxis(array, axes, range(-len(axes), 0)), array.ndim - len(axes)


def some_rows(array: Array, axis: Axis, rows: Rows = ALL) -> Array:
    """`to_rows(array, axis)[rows]`, where not more than these rows is copied: (r, C)."""
    moved, rest = _classes_last(array, axis)
    length = prod(moved.shape[rest:])
    if not isinstance(rows, slice):
        these = moved[np.unravel_index(rows, moved.shape[:rest])] if rest else moved[None][rows]
        return these.reshape(len(rows), length)
    start, stop, _ = rows.indices(prod(moved.shape[:rest]))
    while rest > 1 and start < stop:
        inner = prod(moved.shape[1:rest])
        first, last = start // inner, -(-stop // inner)
        start, stop = start - first * inner, stop - first * inner
        if last - first > 1:
            moved = moved[first:last]
            break
        moved, rest = moved[first], rest - 1
    return moved.reshape(prod(moved.shape[:rest]), length)[start:stop]


SHORT, MANY = 7, 64  # numbers of short rows, which NumPy adds one after another in either order; and how many rows


def wide(rows: Array) -> Array:
    """Rows in float64 (r, C): one after another in memory, as pairwise sums want them, or one class after another where
    there are many short ones, of which NumPy takes sums and maxima much faster then.
    """
    short = rows.shape[1] <= SHORT and len(rows) > MANY
    return rows.astype(np.float64, order="F" if short else "C")


def wide_rows(array: Array, axis: Axis, rows: Rows = ALL) -> Array:
    """Some rows of `array` in float64: (r, C)."""
    return wide(some_rows(array, axis, rows))


def with_softmax(x: Array) -> tuple[Array, Array]:
    """Rows x (r, C) with 0 in place of those that have no softmax, and which have one (r, 1).

    A row with NaN, with several +inf, or of -inf alone has none. A row with one +inf has a limit, that of a logit which
    grows beyond all others: it is given as 0 beside -inf.
    """
    top = x.max(-1, keepdims=True)
    has_softmax = np.isfinite(top)
    if has_softmax.all():
        return x, has_softmax
    alone = one_infinity(x)
    x = np.where(alone, np.where(x == np.inf, 0.0, -np.inf), x)
    has_softmax = has_softmax | alone
    return np.where(has_softmax, x, 0.0), has_softmax


def one_infinity(x: Array) -> Array:
    """Which rows of x (r, C) have one +inf, and no NaN: (r, 1)."""
    return np.asarray((x.max(-1, keepdims=True) == np.inf) & ((x == np.inf).sum(-1, keepdims=True) == 1))


def from_rows(rows: Array, shape: tuple[int, ...], axis: Axis) -> Array:
    """The inverse of `to_rows` for an array of that `shape`."""
    axes = (axis,) if isinstance(axis, int) else axis
    moved, _ = _classes_last(np.broadcast_to(False, shape), axes)
    return np.moveaxis(rows.reshape(moved.shape), range(-len(axes), 0), axes)


def axis_of(problem: Problem) -> Axis:
    """The axis that holds the classes: `dim`, or where a loss has them: (C,), (N, C) or (N, C, d1, …).

    Several axes, in ascending order, where `dim` names several; none, (), where the input is a single number.
    """
    if "logits" in problem.inputs and "target" in problem.inputs:
        return 0 if problem.inputs["logits"].ndim == 1 else 1
    dim, ndim = problem.options.get("dim", -1), main_input(problem).ndim
    if not ndim:
        return ()
    axes = sorted(int(each) % ndim for each in dim) if isinstance(dim, tuple) else [int(dim)]
    return axes[0] if len(axes) == 1 else tuple(axes)


def class_axes(problem: Problem) -> tuple[int, ...]:
    """The axes of the main input that hold the classes, counted from 0."""
    axis, ndim = axis_of(problem), main_input(problem).ndim
    return tuple(each % ndim for each in ((axis,) if isinstance(axis, int) else axis))


def row_axes(problem: Problem) -> tuple[int, ...]:
    """The other axes of the main input."""
    return tuple(axis for axis in range(main_input(problem).ndim) if axis not in class_axes(problem))


def reduction_of(problem: Problem) -> str:
    """How the losses of rows become the value: "none", "sum" or "mean"; operations without a loss reduce nothing."""
    return str(problem.options.get("reduction", "mean")) if "target" in problem.inputs else "none"


def is_reduced(problem: Problem, name: str) -> bool:
    """Whether an output is one number made of all rows, which are judged by themselves otherwise."""
    return name in REDUCED and is_by_rows(problem) and reduction_of(problem) != "none"


def is_by_rows(problem: Problem) -> bool:
    """Whether rows can be judged by themselves (a reduced loss apart)."""
    return OPERATIONS[problem.operation].by_rows


def main_input(problem: Problem) -> Array:
    """The input that is made of rows."""
    return next(iter(problem.inputs.values()))


def _has_classes(problem: Problem, name: str, shape: tuple[int, ...]) -> bool:
    """Whether an output of that `shape` has an element for each class of each row."""
    one_per_row = name in REDUCED and OPERATIONS[problem.operation].value != AS_INPUT
    return is_by_rows(problem) and shape == main_input(problem).shape and not one_per_row


def row_form(problem: Problem, name: str, array: Array) -> Array:
    """An output of the problem in row form; a view where that is possible."""
    if _has_classes(problem, name, array.shape):
        return to_rows(array, axis_of(problem))
    whole = not is_by_rows(problem) or reduction_of(problem) != "none"
    return array.reshape((1, -1) if whole else (-1, 1))


def shaped(problem: Problem, name: str, rows: Array, shape: tuple[int, ...]) -> Array:
    """The inverse of `row_form`, for an output of that `shape`."""
    return from_rows(rows, shape, axis_of(problem)) if _has_classes(problem, name, shape) else rows.reshape(shape)


def place(problem: Problem, name: str, shape: tuple[int, ...], row: int, column: int) -> tuple[int, ...]:
    """Where an element of the row form is in the output."""
    if _has_classes(problem, name, shape):
        found = dict[int, int]()
        for axes, flat in ((row_axes(problem), row), (class_axes(problem), column)):
            found |= zip(axes, map(int, np.unravel_index(flat, [shape[axis] for axis in axes])), strict=True)
        return tuple(found[axis] for axis in range(len(shape)))
    return tuple(int(i) for i in np.unravel_index(max(row, column), shape))


def count_rows(problem: Problem) -> int:
    """How many rows there are; one, where the problem is not judged by rows."""
    if not is_by_rows(problem):
        return 1
    return prod(main_input(problem).shape[axis] for axis in row_axes(problem))


def row_length(problem: Problem) -> int:
    """How many elements the rows of the main input have."""
    return prod(main_input(problem).shape[axis] for axis in class_axes(problem))


def class_count(problem: Problem) -> int:
    """How many classes there are, of a loss, a layer or a distribution."""
    layers = (array for name, array in problem.inputs.items() if name in ("weight", "linear_weight"))
    return len(next(layers)) if "input" in problem.inputs else row_length(problem)


def blocks(problem: Problem) -> list[Rows]:
    """Slices that cover the rows, of at most BLOCK elements (but at least one row) each."""
    if not is_by_rows(problem):
        return [ALL]
    step = max(1, BLOCK // max(1, row_length(problem)))
    return [slice(start, start + step) for start in range(0, max(1, count_rows(problem)), step)]
