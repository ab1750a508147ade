"""What every operation needs first: checked arguments, the working precision, and rows in blocks that fit a cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]

FLOATS = (np.float64, np.float32, np.float16)
LABELS = (np.int64, np.longlong, np.uint8)  # as torch.nn.functional.cross_entropy; longlong is another int64
REDUCTIONS = ("mean", "sum", "none")
BLOCK = 1 << 16  # elements worked on at a time: 256 KiB of float32

# NaN in and NaN out, log 0 = -inf, 0/0 for a mean over nothing, and infinity past the largest number are results here.
quiet = np.errstate(invalid="ignore", divide="ignore", over="ignore")


def floats(name: str, values: ArrayLike, like: Array | None = None, like_name: str = "logits") -> Array:
    """`values` as a floating-point array; Python numbers take the dtype of `like`, arrays must already have it."""
    if like is not None and isinstance(values, (int, float)):
        return np.asarray(values, like.dtype)
    array = np.asarray(values)
    if array.dtype.type not in FLOATS:
        names = ", ".join(kind.__name__ for kind in FLOATS)
        raise TypeError(f"{name} has dtype {array.dtype}; expected one of {names}")
    if like is not None and array.dtype != like.dtype:
        raise TypeError(f"{name} has dtype {array.dtype}; expected {like.dtype}, that of {like_name}")
    return array


def with_axis(name: str, values: ArrayLike, dim: int) -> tuple[Array, int]:
    """A floating-point array and the nonnegative axis that `dim` names in it, which must not be empty."""
    array = floats(name, values)
    if isinstance(dim, bool) or not isinstance(dim, (int, np.integer)):
        raise TypeError(f"dim is {dim!r}; expected an integer")
    if not -array.ndim <= dim < array.ndim:
        raise IndexError(f"dim is {dim}; {name} of shape {array.shape} has dims {-array.ndim} to {array.ndim - 1}")
    if array.shape[dim] == 0:
        raise ValueError(f"{name} of shape {array.shape} has no elements along dim {dim}; expected at least one")
    return array, dim % array.ndim


def shaped(name: str, array: Array, expected: tuple[int, ...], why: str) -> Array:
    """`array` itself, if it has the `expected` shape."""
    if array.shape != expected:
        raise ValueError(f"{name} has shape {array.shape}; expected {expected}, {why}")
    return array


def working(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The precision to compute in: half precision computes in float32 and rounds once, at the end."""
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def row_blocks(*arrays: Array, axis: int) -> Iterator[list[Array]]:
    """Views of some rows of each array at a time, with `axis` last: (n, …, C); all at once where there are few."""
    views = [array.swapaxes(axis, -1) for array in arrays]
    first = views[0]
    if first.ndim == 1 or first.size <= BLOCK:
        yield views
        return
    step = max(1, BLOCK * len(first) // first.size)
    for start in range(0, len(first), step):
        yield [view[start : start + step] for view in views]
