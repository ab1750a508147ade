"""Sums that no order of summation rounds (docs/theory/bounds.md, Theorem 22).

Where all summands are integer multiples of one power of 2, their unit, and together fewer than 2^p units, each partial
sum is a number of the format, in whatever order. Summands that are far less than a unit together change nothing else.
"""

from __future__ import annotations

import numpy as np

from ..problem.formats import Floats, Format
from ..problem.problem import Array
from .arithmetic import Arithmetic

_EXPONENT = np.int64(0x7FF0000000000000)  # of a float64
_MANTISSA, _HIDDEN = np.int64((1 << 52) - 1), np.int64(1 << 52)
_FEW = 16  # columns that are looked at first
SMALL = 2.0**-6  # of half a unit of roundoff: how much of a unit may be left over


def units(x: Floats) -> Floats:
    """The largest power of 2 that each number is a multiple of; inf for 0; 0 for subnormal numbers, infinities and NaN.

    >>> units(np.array([3.0, 0.75, 0.0])).tolist()
    [1.0, 0.25, inf]
    """
    bits = np.ascontiguousarray(x, np.float64).view(np.int64)
    mantissa = (bits & _MANTISSA) | _HIDDEN
    power = (bits & _EXPONENT).view(np.float64)  # 2**floor(log2 |x|), and 0 for subnormal x
    lowest = (mantissa & -mantissa) * (power * 2.0**-52)
    return np.where(x == 0, np.inf, np.where(np.isfinite(power), lowest, 0.0))


def rounds(factor: Floats | float) -> Array:
    """Where a product with a number, or a quotient by it, may round: not where it is 0 or a power of 2.

    >>> rounds(np.array([3.0, 0.25, 0.0, -1.0])).tolist()
    [True, False, False, False]
    """
    return ~np.isin(np.abs(np.frexp(factor)[0]), (0.0, 0.5))


def unit_of(x: Floats, size: Floats | float, a: Arithmetic) -> Floats:
    """That of all numbers of each row (r, 1), or 0 where not even that of a few of them is enough for a `size`."""
    few = units(x[..., :_FEW]).min(-1, keepdims=True, initial=np.inf)
    hope = size < 2.0**a.compute.precision * few
    if x.shape[-1] <= _FEW or not hope.any():
        return np.where(hope, few, 0.0)
    return np.where(hope, units(x).min(-1, keepdims=True, initial=np.inf), 0.0)


def formats_of(a: Arithmetic, *steps: str) -> tuple[Format, ...]:
    """What is computed in, and what the results of these steps are stored in."""
    return (a.compute, a.storage) if a.stored.intersection(steps) else (a.compute,)


def adds_up(size: Floats, unit: Floats | float, a: Arithmetic, *formats: Format, small: Floats | float = 0.0) -> Array:
    """Theorem 22: where multiples of `unit`, whose magnitudes sum to `size`, have the same sum in every order.

    `small` is the sum of the magnitudes of what else is added, and of no such unit; it is gone from each partial sum,
    whichever of the formats that is rounded to.
    """
    used = formats or (a.compute,)
    least = max(each.tiny if a.flushes else each.subnormal for each in used)
    precision, u = min(each.precision for each in used), min(each.u for each in used)
    few = size < 2.0**precision * np.asarray(unit)  # of nonnegative float64 numbers, whose rounding is monotone
    return np.asarray(few & (unit >= least) & (np.asarray(small) <= SMALL * u / 2 * np.asarray(unit)))
