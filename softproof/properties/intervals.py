"""Intervals of float64 numbers that hold an exact value: an answer, and its bound on either side.

Sums and multiples of intervals are rounded outwards, so that what holds of exact values holds of their intervals: two
intervals for one number have a common point. `relations` needs no other tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..bounds.algebra import Allowed
from ..bounds.arithmetic import Arithmetic
from ..bounds.losses import Losses
from ..bounds.overflow import allows
from ..bounds.rests import where_a_rest_is_left
from ..bounds.theorems import allowed, allowed_total
from ..problem.formats import FORMATS
from ..problem.outputs import output_shapes
from ..problem.problem import Array, Problem, Result
from ..problem.rows import ALL, Rows, blocks, row_form, shaped
from ..verdicts.elements import ROUNDING
from ..verdicts.lost_terms import rounding_decides
from ..verdicts.unspecified import rules

U = 2.0**-53


@dataclass(frozen=True)
class Interval:
    """`middle` and `radius`, arrays of one shape. A radius of inf promises nothing.

    A middle of inf, -inf or nan with a finite radius is that and nothing else.
    """

    middle: Array
    radius: Array

    @classmethod
    def exactly(cls, values: Array) -> Interval:
        """Numbers that are known."""
        return cls(values, np.zeros(values.shape))

    def view(self, change: Callable[[Array], Array]) -> Interval:
        """The same numbers in another arrangement, or some of them."""
        return Interval(change(self.middle), change(self.radius))

    def take(self, index: Array, axis: int) -> Interval:
        """The numbers at `index` along `axis`."""
        return self.view(lambda array: array.take(index, axis))

    def reshape(self, shape: tuple[int, ...]) -> Interval:
        """The numbers in another shape."""
        return self.view(lambda array: array.reshape(shape))

    def __add__(self, other: Interval) -> Interval:
        with np.errstate(invalid="ignore", over="ignore"):
            return _rounded(self.middle + other.middle, self.radius + other.radius, self, other)

    def times(self, factor: float, doubt: float = U) -> Interval:
        """The product with a number that `factor` is near, up to a relative error of `doubt`."""
        with np.errstate(invalid="ignore", over="ignore"):
            middle = self.middle * factor
            size = np.where(np.isfinite(middle), np.abs(middle), 0.0)
            reach = self.radius * abs(factor) if factor else np.zeros(self.radius.shape)
            return _rounded(middle, reach * (1 + 2 * doubt) + 2 * doubt * size, self)

    def logaddexp(self, other: Interval) -> Interval:
        """log(eᵃ + eᵇ), which moves no more than a or b does, whichever moves most; for finite numbers."""
        with np.errstate(over="ignore"):  # of the difference of the two, and then the smaller counts nothing
            middle = np.logaddexp(self.middle, other.middle)
        return Interval(middle, np.maximum(self.radius, other.radius) + 8 * U * (1 + np.abs(middle)))

    def distance(self, other: Interval) -> Array:
        """How far the middles are apart in units of both radii: above 1 no number is in both.

        NaN meets NaN alone, but where neither side promises anything.
        """
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            apart, reach = np.abs(self.middle - other.middle) * (1 - ROUNDING), self.radius + other.radius
            ratio = np.where(apart == 0, 0.0, apart / reach)
        same = (self.middle == other.middle) | (np.isnan(self.middle) & np.isnan(other.middle))
        numbers = ~(np.isnan(self.middle) | np.isnan(other.middle))
        unbounded = (np.isinf(reach) & numbers) | (np.isinf(self.radius) & np.isinf(other.radius))
        ratio = np.where(same | unbounded, np.where(np.isfinite(ratio), ratio, 0.0), ratio)
        return np.where(np.isnan(ratio), np.inf, ratio)


def _rounded(middle: Array, radius: Array, *parts: Interval) -> Interval:
    """With room for the rounding of `middle` and of `radius`; where float64 itself overflows nothing is promised."""
    radius = (radius + np.where(np.isfinite(middle), U * np.abs(middle) + 2.0**-1074, 0.0)) * (1 + ROUNDING)
    if np.isfinite(middle).all():
        return Interval(middle, radius)
    finite = np.logical_and.reduce([np.isfinite(part.middle) for part in parts])
    radius = np.where(finite & ~np.isfinite(middle), np.inf, radius)
    numbers = ~np.logical_or.reduce([np.isnan(part.middle) for part in parts])
    return Interval(np.where(np.isnan(middle) & numbers & np.isinf(radius), 0.0, middle), radius)


def joined(parts: Sequence[Interval], axis: int) -> Interval:
    """Intervals one after another along `axis`."""
    return Interval(
        np.concatenate([part.middle for part in parts], axis), np.concatenate([part.radius for part in parts], axis)
    )


def enclosed(problem: Problem, result: Result, arithmetic: Arithmetic) -> dict[str, Interval]:
    """Where the exact outputs of `problem` are, if the `result` is right: within its bound of each element.

    Where an overflow may have left an infinity or NaN (docs/theory/bounds.md, Theorem 13) it promises nothing, and
    neither does what no document fixes (softproof/verdicts/unspecified.py).
    """
    shapes = output_shapes(problem)
    rows = {name: row_form(problem, name, output.values) for name, output in result.outputs.items()}
    radii = {name: np.zeros(values.shape) for name, values in rows.items()}
    summands: dict[str, list[Losses]] = {}
    for block in blocks(problem):
        found, of_rows = allowed(problem, arithmetic, block)
        for name, losses in of_rows.items():
            summands.setdefault(name, []).append(losses)
        for name in found.keys() & rows.keys():  # of some gradients others are not asked
            radii[name][block] = _radius(problem, name, block, rows[name][block], found[name], arithmetic)
    for name, of_blocks in summands.items():
        total = allowed_total(problem, arithmetic, of_blocks)
        radii[name][ALL] = _radius(problem, name, ALL, rows[name], total, arithmetic)
    return {
        name: _promised(result.outputs[name].values.astype(np.float64), shaped(problem, name, radii[name], shape))
        for name, shape in shapes.items()
    }


def _promised(middle: Array, radius: Array) -> Interval:
    """NaN within an infinite radius is any number."""
    return Interval(np.where(np.isnan(middle) & np.isinf(radius), 0.0, middle), radius)


def _radius(problem: Problem, name: str, rows: Rows, got: Array, bound: Allowed, arithmetic: Arithmetic) -> Array:
    """The bound; 0 for NaN that nothing excuses, and inf for what may come from an overflow, or is unspecified."""
    radius, storage = bound.error, FORMATS[problem.dtype]
    if not np.isfinite(got).all():
        with np.errstate(over="ignore"):
            near = np.abs(bound.value) + 2 * bound.error + storage.ulp(storage.largest)
        on_the_way = allows(bound.left, got) | (np.isnan(got) & (bound.left != 0))  # the exact value may be infinite
        radius = np.where(np.isinf(got) & (~(near < storage.largest) | on_the_way), np.inf, radius)
        radius = np.where(np.isnan(got), np.where(on_the_way, np.inf, 0.0), radius)
    for _, where, also in rules(problem, name, rows, np.asarray(bound.left) != 0):
        radius = np.where(where & (also(got) | ~np.isfinite(got)), np.inf, radius)
    radius = np.where(rounding_decides(problem, name, rows, arithmetic), np.inf, radius)
    return np.where(where_a_rest_is_left(problem, name, rows, arithmetic), np.inf, radius)
