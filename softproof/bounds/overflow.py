"""What an overflow on the way to a result may leave of it (docs/theory/bounds.md, Theorem 13).

What decides is how large the intermediate results of this one element may become. That is bounded even where its
error is not: the exponential of a shifted logit is at most 1, and the logarithm of their sum at most log C.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..problem.problem import Array

Left = NDArray[np.int8]  # some of the following, added up

ABOVE, BELOW, UNDEFINED = 1, 2, 4  # an element may become inf, -inf, or NaN
ANYTHING = ABOVE | BELOW | UNDEFINED
OPPOSITE = 8  # an exact infinity may have the other sign, since the denominator may

EVALUATION = 2.0**-20  # the bounds themselves are evaluated in float64, with fewer than 2**32 roundings of 2**-53


def exceeds(reach: Array, largest: float | Array) -> Array:
    """Where numbers of up to this magnitude may be more than the largest of a format."""
    return np.asarray(~(reach * (1 + EVALUATION) < largest))


def left_by(above: Array | bool, below: Array | bool, undefined: Array | bool = False) -> Left:
    """What may be left where positive numbers, or negative ones, overflow.

    The difference of two infinities is NaN; where else that may come from is `undefined`.
    """
    up, down = np.asarray(above), np.asarray(below)
    nan = (up & down) | undefined
    found = ABOVE * up + BELOW * down + UNDEFINED * nan
    return np.asarray(found, np.int8)


def infinities(above: Array, below: Array) -> Left:
    """What a result itself may be that is larger than its format holds."""
    return np.asarray(ABOVE * above + BELOW * below, np.int8)


def anything(where: Array | bool) -> Left:
    """An infinity of either sign, or NaN."""
    return np.where(where, np.int8(ANYTHING), np.int8(0))


def allows(left: Array | int, got: Array) -> Array:
    """Which answers, none of them finite, may be left by an overflow."""
    kind = np.where(np.isnan(got), UNDEFINED, np.where(got > 0, ABOVE, BELOW))
    return np.asarray((left & kind) != 0)


def clashes(left: Array | int, exact: Array, got: Array) -> Array:
    """Which answers are NaN where an exact infinity is added to what an overflow may leave of the other sign; or that
    other infinity itself, where what divides may have either sign.
    """
    other = np.where(exact > 0, BELOW, ABOVE) | UNDEFINED
    undefined = np.isnan(got) & ((left & other) != 0)
    opposite = np.isinf(got) & (got != exact) & ((np.asarray(left) & OPPOSITE) != 0)
    return np.asarray(np.isinf(exact) & (undefined | opposite))
