"""Problems as NumPy arrays, answers as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..problem import Array, Output

DTYPES = ("float64", "float32", "float16")


def check_device(device: str) -> None:
    """NumPy computes on the CPU."""
    if device != "cpu":
        raise ValueError(f"device is {device!r}; the numpy adapter has cpu only")


def make(values: Array, dtype: str, layout: str, _device: str) -> Array:
    """An array of `dtype` with these values, laid out in memory as asked; integers stay int64."""
    array = values.astype(dtype if values.dtype.kind == "f" else np.int64)
    if layout == "transposed":
        return array.T.copy().T
    if layout == "strided" and array.ndim:
        buffer = np.empty((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        buffer[..., ::2] = array
        return buffer[..., ::2]
    return array


def take(answer: Any) -> Output:
    """A copy of what came back, in float32 or float64, without loss."""
    if not isinstance(answer, (np.ndarray, np.generic)):
        raise TypeError(f"the answer is a {type(answer).__name__}; expected a NumPy array")
    narrow = answer.dtype in (np.float16, np.float32)
    return Output(np.array(answer, np.float32 if narrow else np.float64), str(answer.dtype))


def share_memory(one: Array, two: Array) -> bool:
    """Whether two arrays have a byte in common."""
    return bool(np.shares_memory(one, two))


def overwrite(array: Array) -> None:
    """Other numbers in place of those in an array, where it can be written to."""
    if array.flags.writeable:
        array[...] = 7
