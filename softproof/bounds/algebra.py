"""Error algebra (docs/theory/bounds.md, section 1): how relative errors multiply, divide, add up and are stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..problem.problem import Array
from .arithmetic import Arithmetic, height
from .overflow import Left, anything

BESIDE = 2.0**-10  # how far a value may be from the float64 number that stands for it, in units of it and its bound


@dataclass(frozen=True)
class RowFactor:
    """What the rows of an output have in common: one unknown error of the sum (docs/theory/bounds.md, Theorem 14).

    A right row is ρ·(exact ± `scaled`) ± `fixed` for one ρ with |log ρ| <= `limit`; or, where nothing is multiplied,
    exact + δ ± `fixed` for one δ with |δ| <= `limit`.
    """

    multiplies: bool
    limit: Array  # (r, 1)
    scaled: Array  # (r, C)
    fixed: Array  # (r, C)

    @property
    def own(self) -> Array:
        """How large an error may be that nothing is shared of."""
        return np.asarray(self.fixed + self.scaled * self.multiplies)

    def enlarged(self, by: float) -> RowFactor:
        """The same with room for the rounding of the bound itself."""
        return RowFactor(self.multiplies, self.limit, self.scaled * by, self.fixed * by)

    def of_rows(self, rows: Array) -> RowFactor:
        """Some rows alone."""
        return RowFactor(self.multiplies, self.limit[rows], self.scaled[rows], self.fixed[rows])

    def stored(self, value: Array, arithmetic: Arithmetic) -> RowFactor:
        """The same after one rounding to the storage format."""
        size = np.abs(value) + self.scaled
        largest = size * np.exp(self.limit) if self.multiplies else size + self.limit
        fixed = stored(largest, self.fixed, arithmetic)
        return RowFactor(self.multiplies, self.limit, self.scaled, fixed)


@dataclass(frozen=True)
class RowUnknowns:
    """The unknown numbers that all errors of a row share (docs/theory/bounds.md, Theorem 21).

    An error of a right row is slope·β ± `own` for one β with |β| <= `limit`; or, where there is a tilt,
    slope·(β + tilt·α) ± `own` for one such β and one α with |α| <= `tilt_limit`.
    """

    slope: Array  # (r, C), not negative
    limit: Array  # (r, 1)
    own: Array  # (r, C)
    tilt: Array | None = None  # (r, C)
    tilt_limit: Array | None = None  # (r, 1)

    def enlarged(self, by: float) -> RowUnknowns:
        """The same with room for the rounding of the bound itself."""
        tilt_limit = None if self.tilt_limit is None else self.tilt_limit * by
        return replace(self, limit=self.limit * by, own=self.own * by, tilt_limit=tilt_limit)

    def of_rows(self, rows: Array) -> RowUnknowns:
        """Some rows alone."""
        found = replace(self, slope=self.slope[rows], limit=self.limit[rows], own=self.own[rows])
        if self.tilt is None or self.tilt_limit is None:
            return found
        return replace(found, tilt=self.tilt[rows], tilt_limit=self.tilt_limit[rows])

    @property
    def reach(self) -> Array:
        """How large the error that is shared may be (r, C)."""
        if self.tilt is None or self.tilt_limit is None:
            return np.asarray(self.slope * self.limit)
        return np.asarray(self.slope * (self.limit + self.tilt_limit * np.abs(self.tilt)))

    def stored(self, value: Array, arithmetic: Arithmetic) -> RowUnknowns:
        """The same after one rounding to the storage format."""
        return replace(self, own=stored(np.abs(value) + self.reach, self.own, arithmetic))


@dataclass(frozen=True)
class Allowed:
    """A bound in row form: |computed - exact| <= error, where |exact| is about |value|.

    `left` says what else an intermediate result that is too large for its format may leave (`bounds.overflow`).
    """

    value: Array
    error: Array
    row: RowFactor | RowUnknowns | None = None
    left: Left | int = 0


def spoiled(each: Allowed, where: Array) -> Allowed:
    """The same bound; `where` an operand may be infinite or NaN, so may the result be."""
    return replace(each, left=each.left | anything(where)) if where.any() else each


@dataclass(frozen=True)
class Known:
    """Numbers of at most the magnitude `size`, known up to `error`; so are their sums and products, rounded or not."""

    size: Array
    error: Array | float = 0.0

    def __mul__(self, other: Known) -> Known:
        error = times(self.error, other.size) + times(other.error, self.size) + times(self.error, other.error)
        return Known(self.size * other.size, error)

    def __add__(self, other: Known) -> Known:
        return Known(self.size + other.size, self.error + other.error)

    def summed(self) -> Known:
        """The exact sum of each row: (r, 1)."""
        error = np.broadcast_to(self.error, self.size.shape).sum(-1, keepdims=True)
        return Known(self.size.sum(-1, keepdims=True), error)

    def rounded(self, relative: Array | float, underflow: Array | float) -> Known:
        """After roundings of this relative error together, which may underflow by so much."""
        return Known(self.size, self.error + relative * (self.size + self.error) + underflow)


def times(error: Array | float, factor: Array | float) -> Array:
    """error·factor, where the error may be infinite; 0 where the factor, which is exact, is 0."""
    product = np.asarray(error * factor)
    return product if all_finite(product) else np.where(np.equal(factor, 0), 0.0, product)


def all_finite(array: Array) -> bool:
    """Whether all numbers are finite; a finite sum is enough to know it."""
    return bool(np.isfinite(array.sum())) or bool(np.isfinite(array).all())


def rmul(*errors: Array | float) -> Array:
    """Relative error of a product: Π(1 + r) - 1 without forming 1 + r, which float64 would round to 1.

    >>> rmul(2.0**-53, 2.0**-53) == 2.0**-52 + 2.0**-106
    np.True_
    """
    total: Array = np.asarray(0.0)
    for error in errors:
        total = total + error + total * error
    return total


def rdiv(numerator: Array | float, denominator: Array | float) -> Array:
    """Relative error of a quotient: (1 + a)/(1 - b) - 1; inf when the denominator may vanish."""
    safe = np.where(np.less(denominator, 1), denominator, 0.0)
    return np.where(np.less(denominator, 1), (numerator + safe) / (1 - safe), np.inf)


def powers(count: Array | int, u: float) -> Array:
    """Relative error of `count` roundings: (1 + u)^count - 1."""
    return np.asarray(np.expm1(count * np.log1p(u)))


def additions(count: Array | np.integer[Any] | int, u: float, depth: str | int = "any order", among: int = 0) -> Array:
    """Relative error, against Σ|terms|, of adding `count` nonzero numbers, `among` so many numbers in all.

    In any order it is (count - 1)u (Jeannerod & Rump 2013). If no summand goes through more than h additions, it is
    also (1 + u)^h - 1 (Higham, Accuracy and Stability of Numerical Algorithms, 4.2). Both hold; the smaller is taken.
    """
    order_free = np.maximum(np.asarray(count, np.float64) - 1, 0) * u
    order_free = np.where(order_free < 1, order_free, np.inf)  # everything may be lost
    if depth == "any order":
        return order_free
    most = height(depth, max(among, 1))
    return np.minimum(order_free, powers(most, u) if most * u < 1 else np.inf)


def few_additions(order: Array, size: Array, u: float, logarithms: int = 1, beside: int = 0) -> Array:
    """Theorem 30: relative error of each summand, at most of `size` (r, C): that of any `order`, or a small one of the
    few that matter, and all of what does not. Each stands for as many as there are `logarithms`; others are `beside`.
    """
    count = logarithms * size.shape[-1] + beside
    matters = size > u / max(1, count) * size.sum(-1, keepdims=True)
    few = powers(logarithms * np.count_nonzero(matters, -1, keepdims=True) + beside - 1, u)
    if not (few < order).any():
        return order
    error = np.where(matters, few, 1 + 2 * count * u + 2 * (1 + count * u) * few)
    better = (error * size).sum(-1, keepdims=True) < (order * size).sum(-1, keepdims=True)
    return np.where(better & np.isfinite(order), error, order)


def stored(value: Array | float, error: Array, arithmetic: Arithmetic) -> Array:
    """Theorem 1: one rounding to the storage format; of none for what is exact and a number of the format already."""
    storage = arithmetic.storage
    reach = np.abs(value) + error
    reach *= 1 + BESIDE
    moved = np.asarray(storage.half_ulp(reach))
    moved += error
    rounded = moved + storage.tiny if arithmetic.flushes else moved
    if np.min(error, initial=np.inf) == 0:
        rounded = np.where((error == 0) & storage.holds(value), 0.0, rounded)
    return np.where(np.isfinite(value), rounded, error)


def grown(value: Array, log_value: Array, shift: Array, rounding: Array | float) -> Array:
    """At least e^v (e^h (1 + r) - 1), where `value` is e^v: with h + h² for e^h - 1 while h <= 1, else with e^(v + h).

    No 0·inf appears when v is hugely negative and h huge.
    """
    small = shift * shift
    small += shift
    small *= 1 + rounding
    small += rounding
    small *= value
    if shift.max(initial=0.0) <= 1:
        return np.asarray(small)
    return np.asarray(np.where(shift <= 1, small, np.exp(log_value + shift) * (1 + rounding)))
