"""Dimensions of a problem, and where in an array each index of a dimension lies."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from softproof import OPERATIONS, Problem
from softproof.problem.outputs import value_shape
from softproof.problem.problem import Array
from softproof.problem.rows import class_axes

DIMENSIONS = {"rows": "bp", "batch": "b", "positions": "p", "classes": "c", "features": "f"}  # and their axes' labels
_OF_ROWS = ("rows", "batch", "positions", "classes")
DIMENSIONS_OF = dict.fromkeys(OPERATIONS, _OF_ROWS) | {
    "linear": (*_OF_ROWS, "features"),
    "linear_cross_entropy": ("rows", "classes", "features"),
}
REGIONS = ("beyond", "first beyond", "last tile", "middle tile", "tile ends", "all")


def labels_of(problem: Problem, name: str) -> str:
    """What each axis of an input or output is: b batch, p positions, c classes, f features, 1 an axis that was kept."""
    name = name.removeprefix("grad_")
    if problem.operation.startswith("linear"):
        lead = _lead(problem.inputs["input"].ndim - 1)
        of_value = {"linear": lead + "c"}.get(problem.operation, lead * (value_shape(problem) != ()))
        known = {"input": lead + "f", "value": of_value, "bias": "c", "linear_bias": "c"}
        return known[name] if name in known else lead + "c" if name == "target" else "cf"
    main = _of_main(problem)
    if name in ("value", "jvp") and problem.operation not in ("softmax", "log_softmax"):
        if not value_shape(problem):
            return ""
        return main.replace("c", "1" if len(value_shape(problem)) == len(main) else "")
    return main


def _lead(count: int) -> str:
    return ("b" + "p" * count)[:count]


def _of_main(problem: Problem) -> str:
    """Of the logits or the distributions."""
    ndim, classes = len(next(iter(problem.inputs.values())).shape), class_axes(problem)
    others = iter(_lead(ndim - len(classes)))
    return "".join("c" if axis in classes else next(others) for axis in range(ndim))


def sizes(problem: Problem) -> dict[str, int]:
    """The size of each dimension that the problem has."""
    found = {}
    for name in problem.inputs:
        if name not in ("target", "weight") or problem.operation == "linear":
            shape, labels = problem.inputs[name].shape, labels_of(problem, name)
            for dimension, own in DIMENSIONS.items():
                axes = [size for size, label in zip(shape, labels, strict=True) if label in own]
                if axes and (dimension != "positions" or "p" in labels):
                    found[dimension] = prod(axes)
    return found


def index_along(labels: str, shape: tuple[int, ...], dimension: str) -> Array | None:
    """The index of each element along a dimension, in an array of that shape; None where it has no such dimension."""
    axes = [axis for axis, label in enumerate(labels) if label in DIMENSIONS[dimension]]
    if not axes:
        return None
    index: Array = np.zeros([1] * len(shape), np.int64)
    for axis in axes:
        steps = np.arange(shape[axis]).reshape([-1 if each == axis else 1 for each in range(len(shape))])
        index = index * shape[axis] + steps
    return np.broadcast_to(index, shape)


def shifted(values: Array, labels: str, dimension: str, by: int) -> Array:
    """Each element's neighbour so many places before it along a dimension, round the end."""
    axes = [axis for axis, label in enumerate(labels) if label in DIMENSIONS[dimension]]
    moved = np.moveaxis(values, axes, range(len(axes)))
    flat = moved.reshape(prod(moved.shape[: len(axes)]), -1)
    return np.asarray(np.moveaxis(np.roll(flat, by, 0).reshape(moved.shape), range(len(axes)), axes))


_IN: dict[str, Callable[[Array, int, int, int], Array]] = {
    "beyond": lambda i, _n, threshold, _tile: i >= threshold,
    "first beyond": lambda i, _n, threshold, _tile: i == threshold,
    "last tile": lambda i, n, _threshold, tile: i >= n - n % tile,
    "middle tile": lambda i, n, _threshold, tile: (i // tile == n // tile // 2) & (n >= 3 * tile),
    "tile ends": lambda i, _n, _threshold, tile: i % tile == tile - 1,
    "all": lambda i, _n, _threshold, _tile: i >= 0,
}


def within(region: str, size: int, threshold: int, tile: int) -> Array:
    """Which indices of a dimension of this size lie in a region: none, where the size is not above the threshold."""
    index = np.arange(size)
    if size <= threshold:
        return np.zeros(size, bool)
    return np.asarray(_IN[region](index, size, threshold, tile), bool)


def smallest_size(region: str, threshold: int, tile: int) -> int:
    """The least size at which a region has an index, and is not everything where that can be."""
    size = threshold + 1
    if region == "last tile" and size % tile == 0:
        return size + 1
    if region == "middle tile":
        return max(size, 3 * tile)
    return max(size, tile) if region == "tile ends" else size
