"""What every operation needs first: checked arguments, the working precision, and rows in blocks that fit a cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]

FLOATS = (np.float64, np.float32, np.float16)
LABELS = (np.int64, np.longlong, np.uint8)  # as torch.nn.functional.cross_entropy; longlong is another int64
REDUCTIONS = ("mean", "sum", "none")
BLOCK = 1 << 16  # elements worked on at a time: 256 KiB of float32
LONGEST = 80  # characters of a value that an error quotes

# NaN in and NaN out, log 0 = -inf, 0/0 for a mean over nothing, and infinity past the largest number are results here.
quiet = np.errstate(invalid="ignore", divide="ignore", over="ignore")


# ---- one argument ---------------------------------------------------------------------------------------------------


def shown(value: Any) -> str:
    """A value in an error: its repr, if it has one, and the beginning of a long one."""
    try:
        text = repr(value)
    except Exception:  # whatever it is that cannot be shown
        return f"a {type(value).__name__}"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _has_mask(values: Any, depth: int) -> bool:
    """Whether lists of that depth hold a masked array, whose mask NumPy would drop."""
    if isinstance(values, np.ma.MaskedArray) or depth == 0:
        return isinstance(values, np.ma.MaskedArray)
    return isinstance(values, (list, tuple)) and any(_has_mask(each, depth - 1) for each in values)


def plain(name: str, values: ArrayLike) -> Array:
    """`values` as an array in this machine's byte order; TypeError where NumPy does not hold them as they are."""
    try:
        array = np.asarray(values)
    except Exception as error:  # whatever an object raises that is to become an array
        raise TypeError(f"{name} is a {type(values).__name__}; expected numbers that NumPy holds ({error})") from error
    if _has_mask(values, array.ndim):
        raise TypeError(f"{name} is masked; expected numbers without a mask")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def number(name: str, value: Any) -> float:
    """A real number, NumPy's too, as a float."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} is {shown(value)}; expected a number")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"{name} is {shown(value)}; expected a number that float64 holds") from error


def integer(name: str, value: Any) -> int:
    """An integer, NumPy's too."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} is {shown(value)}; expected an integer")
    return int(value)


def loss_options(ignore_index: Any, reduction: Any, label_smoothing: Any) -> tuple[int, str, float]:
    """The options of a loss, checked."""
    ignored = integer("ignore_index", ignore_index)
    if not -(2**63) <= ignored < 2**63:
        raise ValueError(f"ignore_index is {shown(ignore_index)}; expected an integer that int64 holds")
    if not isinstance(reduction, str):
        raise TypeError(f"reduction is {shown(reduction)}; expected one of {', '.join(REDUCTIONS)}")
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction is {shown(reduction)}; expected one of {', '.join(REDUCTIONS)}")
    epsilon = number("label_smoothing", label_smoothing)
    if not 0 <= epsilon <= 1:
        raise ValueError(f"label_smoothing is {shown(label_smoothing)}; expected a number from 0 to 1")
    return ignored, str(reduction), epsilon


# ---- arrays ---------------------------------------------------------------------------------------------------------


def floats(name: str, values: ArrayLike, like: Array | None = None, like_name: str = "logits") -> Array:
    """`values` as a floating-point array; Python numbers take the dtype of `like`, arrays must already have it."""
    if like is not None and isinstance(values, (int, float)) and not isinstance(values, bool):
        return np.asarray(number(name, values), like.dtype)
    array = plain(name, values)
    if array.dtype.type not in FLOATS:
        names = ", ".join(kind.__name__ for kind in FLOATS)
        raise TypeError(f"{name} has dtype {array.dtype}; expected one of {names}")
    if like is not None and array.dtype != like.dtype:
        raise TypeError(f"{name} has dtype {array.dtype}; expected {like.dtype}, that of {like_name}")
    return array


def check_square(name: str, array: Array) -> None:
    """ValueError where NumPy has no array of this one's shape with its last axis twice."""
    try:
        np.broadcast_to(array.dtype.type(0), (*array.shape, array.shape[-1]))
    except ValueError as error:
        raise ValueError(
            f"{name} has shape {array.shape}; expected one with room for its last axis twice ({error})"
        ) from error


def with_axis(name: str, values: ArrayLike, dim: int, *, any_shape: bool = False) -> tuple[Array, int]:
    """A floating-point array, and the axis `dim` of it as a nonnegative number. That axis must not be empty.

    With `any_shape` it may be empty, and a number alone has the axis 0.
    """
    array = floats(name, values)
    dim = integer("dim", dim)
    most = max(array.ndim, int(any_shape))
    if not -most <= dim < most:
        raise IndexError(f"dim is {shown(dim)}; {name} of shape {array.shape} has dims {-most} to {most - 1}")
    if not any_shape and array.shape[dim] == 0:
        raise ValueError(f"{name} of shape {array.shape} has no elements along dim {dim}; expected at least one")
    return array, int(dim % most)


def with_axes(name: str, values: ArrayLike, dim: int | Sequence[int]) -> tuple[Array, tuple[int, ...]]:
    """A floating-point array of any shape, and its axes `dim`, one or several, as nonnegative numbers."""
    if not isinstance(dim, (tuple, list)):
        array, axis = with_axis(name, values, dim, any_shape=True)  # type: ignore[arg-type]  # which it looks at
        return array, (axis,)
    array, axes = floats(name, values), tuple(with_axis(name, values, each, any_shape=True)[1] for each in dim)
    if len(set(axes)) < max(1, len(axes)):
        raise ValueError(f"dim is {dim}; expected at least one, and each once")
    return array, axes


def merged(array: Array, axes: tuple[int, ...]) -> tuple[Array, int]:
    """`array` with `axes` merged into one, and the number of that axis: several become the last one.

    A number alone becomes a row of one.
    """
    if len(axes) == 1:
        return (array if array.ndim else array[None]), axes[0]
    moved = np.moveaxis(array, axes, range(-len(axes), 0))
    rest = moved.shape[: -len(axes)]
    return moved.reshape(*rest, int(np.prod(moved.shape[len(rest) :]))), len(rest)


def unmerged(array: Array, axes: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    """The inverse of `merged`, for an array that had that `shape`."""
    if len(axes) == 1:
        return array.reshape(shape)
    moved = np.moveaxis(np.empty(shape, bool), axes, range(-len(axes), 0))
    return np.moveaxis(array.reshape(moved.shape), range(-len(axes), 0), axes)


def shaped(name: str, array: Array, expected: tuple[int, ...], why: str) -> Array:
    """`array` itself; ValueError if its shape is not `expected`."""
    if array.shape != expected:
        raise ValueError(f"{name} has shape {array.shape}; expected {expected}, {why}")
    return array


def working(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The precision to compute in: half precision computes in float32 and rounds once, at the end."""
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def row_blocks(*arrays: Array, axis: int) -> Iterator[list[Array]]:
    """Views of some rows of each array at a time, with `axis` last: (n, …, C). Few rows come all at once.

    An empty array has no rows. A number alone is one row of one element.
    """
    views = [array.swapaxes(axis, -1) if array.ndim else array[None] for array in arrays]
    first = views[0]
    if not first.size:
        return
    if first.ndim == 1 or first.size <= BLOCK:
        yield views
        return
    step = max(1, BLOCK * len(first) // first.size)
    for start in range(0, len(first), step):
        yield [view[start : start + step] for view in views]
