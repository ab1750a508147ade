"""Whether two arrays hold the same numbers, bit for bit."""

from __future__ import annotations

import numpy as np

from ..problem.problem import Array


def same_bits(one: Array, two: Array) -> bool:
    """Whether two arrays hold the same numbers bit for bit; -0 is not 0, and NaN is NaN whatever its sign.

    >>> same_bits(np.array([0.0, np.nan]), np.array([-0.0, np.nan]))
    False
    """
    return one.dtype == two.dtype and (identical(one, two) or alike(one, two))


def alike(one: Array, two: Array) -> bool:
    """Whether two arrays hold the same numbers, in whatever format; -0 is not 0, and NaN is NaN."""
    same = np.array_equal(one, two, equal_nan=True)
    return same and bool((np.signbit(one) == np.signbit(two))[one == 0].all())


def identical(one: Array, two: Array) -> bool:
    """Whether two arrays certainly hold the same, since all their bytes do; sooner told than by their numbers."""
    if one.dtype != two.dtype or one.shape != two.shape or not (one.flags.c_contiguous and two.flags.c_contiguous):
        return False
    words = f"u{one.itemsize}"
    return bool((one.reshape(-1).view(words) == two.reshape(-1).view(words)).all())
