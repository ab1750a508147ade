"""The numbers of the truth, balls, double-double or float64, and what the truths of several operations share."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, arb_mat, fmpq

from ..problem.exact_sums import nearest
from ..problem.problem import Array, Problem
from ..problem.rows import Rows, axis_of, reduction_of, wide_rows
from . import double_double, elementary, products
from .double_double import LOST, PRODUCT, DoubleDouble

Truth = dict[str, Array]
Number = Callable[[Any], Any]  # from float64 values to the numbers that are computed with

_ball = np.frompyfunc(arb, 1, 1)
_is_float = np.frompyfunc(float.__instancecheck__, 1, 1)  # isinstance(element, float)


double_double.UFUNCS |= elementary.UFUNCS


def balls(values: Array) -> Array:
    """float64 values as exact balls."""
    return np.asarray(_ball(np.asarray(values, np.float64)), dtype=object)


def floats(values: Array) -> Array:
    """float64 values as they are."""
    return np.asarray(values, np.float64)


def doubles(values: Array) -> Any:
    """float64 values as exact double-double numbers."""
    return DoubleDouble(np.array(values, np.float64))


def of_fraction(exact: Fraction) -> DoubleDouble:
    """One rational number."""
    high = nearest(exact)
    if not np.isfinite(high):
        return DoubleDouble(high, 0.0, np.inf)
    low = nearest(exact - Fraction(high))
    return DoubleDouble(high, low, 0.0 if Fraction(high) + Fraction(low) == exact else PRODUCT * abs(high) + LOST)


def number_of(exact: Fraction, number: Number) -> Any:
    """One rational number, as float64, double-double or as a ball."""
    if number is doubles:
        return of_fraction(exact)
    return np.float64(nearest(exact)) if number is floats else arb(fmpq(exact.numerator, exact.denominator))


def summed(array: Array, axis: int | None = None) -> Array:
    """A sum that keeps its axis, and is a number even when nothing is summed."""
    if isinstance(array, DoubleDouble):
        return array.summed(axis)
    nothing = arb(0) if array.dtype == object else 0.0
    return np.asarray(np.sum(array, axis=axis, keepdims=True) + nothing, dtype=array.dtype)


def specials(array: Array) -> list[float]:
    """The elements of balls, or of double-double numbers, that are inf, -inf or nan; none of float64."""
    if isinstance(array, DoubleDouble):
        return array.high[array.special].tolist()
    return [each for each in array.flat if isinstance(each, float)] if array.dtype == object else []


def matmul(p: Array, q: Array) -> Array:
    """p (m, n), of which elements may be nan, times q (n, k)."""
    if isinstance(p, DoubleDouble):
        return products.matmul(p, q)
    if p.dtype != object:
        return np.asarray(p @ q)
    if 0 in (*p.shape, *q.shape):
        return balls(np.zeros((len(p), q.shape[1])))
    unknown = _is_float(p).astype(bool)  # nan, which no ball can say
    entries = (arb_mat(np.where(unknown, 0, p).tolist()) * arb_mat(q.tolist())).entries()
    found = np.array(entries, dtype=object).reshape(len(p), q.shape[1])
    return np.where(unknown.any(-1, keepdims=True), np.nan, found)


def upstream(problem: Problem, rows: Rows, number: Number) -> Array:
    """The upstream gradient of each class (r, C)."""
    assert problem.grad_output is not None
    found: Array = number(wide_rows(problem.grad_output, axis_of(problem), rows))
    return found


def upstream_of_rows(problem: Problem, rows: Rows, number: Number) -> Array:
    """The upstream gradient of each row (r, 1)."""
    assert problem.grad_output is not None
    found: Array = number(problem.grad_output.reshape(-1, 1)[rows])
    return found


def upstream_signs(problem: Problem, rows: Rows) -> Array:
    """The sign of the upstream gradient of each row (r, 1), or that of all rows (1, 1)."""
    g = np.sign(np.asarray(problem.grad_output, np.float64)).reshape(-1, 1)
    return g[rows] if reduction_of(problem) == "none" else g


def direction(problem: Problem, rows: Rows, number: Number) -> Array:
    """The tangent of each class (r, C)."""
    assert problem.tangent is not None
    found: Array = number(wide_rows(problem.tangent, axis_of(problem), rows))
    return found


def with_limit(grad: Array, sign: Array, where: Array) -> Array:
    """`grad`, and `where` the derivative is infinite, a one-sided limit, inf with that `sign`; 0 where it is 0."""
    if not where.any():
        return grad
    with np.errstate(invalid="ignore"):
        return np.where(where, np.where(sign == 0, 0.0, sign * np.inf), grad)
