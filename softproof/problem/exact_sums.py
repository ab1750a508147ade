"""Sums of float64 numbers without rounding: integers times a power of 2.

What float64 leaves of weights that cancel may be 0, or have the other sign, and so may what a few digits leave of them.
Whether a sum is 0, and its sign, are therefore taken from here alone.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from .problem import Array

DIGITS = 53  # of a float64 number


def exact_sum(values: Array, times: Array) -> Fraction:
    """Σ values · times, of float64 numbers and of whole numbers below 2^53 as float64.

    >>> exact_sum(np.array([2.0**60, 1.0, -(2.0**60)]), np.ones(3))
    Fraction(1, 1)
    """
    used = (values != 0) & (times != 0)
    if not used.any():
        return Fraction(0)
    mantissas, exponents = np.frexp(values[used])
    whole = np.ldexp(mantissas, DIGITS).astype(np.int64).tolist()
    lowest = int(exponents.min())
    shifts = (exponents - lowest).tolist()
    total = sum((m * int(n)) << shift for m, n, shift in zip(whole, times[used].tolist(), shifts, strict=True))
    return Fraction(total) * Fraction(2) ** (lowest - DIGITS)


def lowest_bit(values: Array) -> Fraction:
    """The largest power of 2 that all of some numbers are multiples of; 0 where none is anything but 0.

    >>> lowest_bit(np.array([3.0, 0.25, 0.0]))
    Fraction(1, 4)
    """
    used = [Fraction(value) for value in np.unique(values[values != 0]).tolist()]
    return min(((Fraction(x.numerator & -x.numerator, x.denominator)) for x in used), default=Fraction(0))


def nearest(exact: Fraction) -> float:
    """The float64 number next to such a sum, which is 0 only where the sum is; an infinity, beyond them all.

    >>> nearest(exact_sum(np.array([5e-324, 1.0]), np.array([1.0, 3.0])))
    3.0
    """
    try:
        return float(exact)
    except OverflowError:
        return np.inf if exact > 0 else -np.inf
