"""Problems as NumPy arrays, answers as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...problem.problem import LAYOUTS as LAYOUTS
from ...problem.problem import Array, Output

DTYPES = ("float64", "float32", "float16")


def check_device(device: str) -> None:
    """NumPy computes on the CPU."""
    if device != "cpu":
        raise ValueError(f"device is {device!r}; the numpy adapter has cpu only")


def devices() -> tuple[str, ...]:
    """Where something can be tried out."""
    return ("cpu",)


def make(values: Array, dtype: str, layout: str, _device: str) -> Array:
    """An array of `dtype` with these values, laid out in memory as asked; integers stay int64."""
    array = values.astype(dtype if values.dtype.kind == "f" else np.int64, order="C")
    if layout == "transposed":
        return array.T.copy().T
    if layout == "expanded":
        once = tuple(slice(0, 1) if is_repeated(array, axis) else slice(None) for axis in range(array.ndim))
        return np.broadcast_to(array[once].copy(), array.shape)
    if layout == "contiguous" or not array.ndim:
        return array
    *rest, last = array.shape
    fill = np.nan if array.dtype.kind == "f" else 0
    if layout == "offset":
        return _placed(np.full(array.size + 1, fill, array.dtype)[1:].reshape(array.shape), array)
    if layout == "sliced":
        return _placed(np.full((*rest, last + 3), fill, array.dtype)[..., 1 : last + 1], array)
    if layout == "reversed":
        return _placed(np.flip(np.full(array.shape, fill, array.dtype)), array)
    return _placed(np.full((*rest, 2 * last), fill, array.dtype)[..., ::2], array)


def is_repeated(array: Array, axis: int) -> bool:
    """Whether the values do not change along an axis of several elements; -0 is not 0."""
    if array.shape[axis] < 2 or not array.size:
        return False
    first = array.take([0], axis)
    return bool(((array == first) & (np.signbit(array) == np.signbit(first))).all())


def _placed(view: Array, values: Array) -> Array:
    view[...] = values
    return view


def like(array: Array, values: Array) -> Array:
    """Numbers in the type of an array."""
    return values.astype(array.dtype)


def join(parts: list[Array]) -> Array:
    """Arrays one after the other."""
    return np.concatenate(parts)


def copy(array: Array) -> Array:
    """The same numbers at the same strides elsewhere in memory, which may be written to."""
    if array.size < 2 or 0 in array.strides:
        return array.copy()
    low, high = np.lib.array_utils.byte_bounds(array)
    places = np.empty(high - low, np.uint8)
    start = array.__array_interface__["data"][0] - low
    return _placed(np.ndarray(array.shape, array.dtype, places, start, array.strides), array)


def cast(array: Array, dtype: str) -> Array:
    """The same numbers in another type."""
    return array.astype(dtype)


def take(answer: Any) -> Output:
    """A copy of what came back, in float32 or float64, without loss."""
    if type(answer) is not np.ndarray and not (isinstance(answer, np.generic) and type(answer) is answer.dtype.type):
        raise TypeError(f"the answer is a {type(answer).__name__}; expected a NumPy array")
    if answer.dtype.kind not in "fiub":
        raise TypeError(f"the answer has dtype {answer.dtype}; expected floating-point numbers")
    narrow = answer.dtype in (np.float16, np.float32)
    return Output(np.array(answer, np.float32 if narrow else np.float64), str(answer.dtype))


def share_memory(one: Array, two: Array) -> bool:
    """Whether two arrays have a byte in common."""
    return bool(np.shares_memory(one, two))


def may_be_written(array: Array) -> bool:
    """Whether each element has a place of its own in memory."""
    return bool(array.flags.writeable)


def write(array: Array, values: Array) -> None:
    """These values in place of those in an array."""
    array[...] = values


def overwrite(array: Array) -> None:
    """Other numbers in place of those in an array, where it can be written to."""
    if array.flags.writeable:
        array[...] = 7
