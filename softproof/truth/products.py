"""Matrix products of double-double numbers by exact products of slices.

K. Ozaki, T. Ogita, S. Oishi and S. M. Rump, "Error-free transformations of matrix multiplication by using fast routines
of matrix multiplication and its applications", Numer. Algorithms 59, 2012; docs/theory/bounds.md, Theorem 25.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from ..problem.problem import Array
from .double_double import LOST, SMALL, DoubleDouble
from .error_free import two_sum

DEEPEST = 120  # binary digits below the largest element of a row that are looked at

Slice = tuple[int, Array]  # multiples of 2^-depth, with depth


def _exponents(size: Array, axis: int) -> Array:
    """e with size <= 2^(e - 1) along an axis, which stays."""
    return np.asarray(np.frexp(size.max(axis, keepdims=True, initial=0.0))[1] + 1)


def _sliced(x: DoubleDouble, exponents: Array, digits: int) -> tuple[list[Slice], Array]:
    """x 2^-exponents as slices, each below 2^(digits - depth), and how far their sum may be from it."""
    slices: list[Slice] = []
    off = np.ldexp(x.radius, -exponents) + np.where(x.radius > 0, LOST, 0.0)
    for part in (x.high, x.low):
        depth, rest = 0, np.ldexp(part, -exponents)
        off = off + np.where(np.ldexp(rest, exponents) != part, LOST, 0.0)
        while depth < DEEPEST and rest.any():
            depth += digits
            shift = np.ldexp(1.5, 52 - depth)
            top = (rest + shift) - shift
            rest = rest - top
            slices += [(depth, top)] if top.any() else []
        off = off + np.abs(rest)
    return slices, off


def matmul(p: DoubleDouble, q: DoubleDouble) -> DoubleDouble:
    """p (m, n) times q (n, k)."""
    n = q.shape[0]
    digits = (54 - n.bit_length()) // 2
    rows, columns = _exponents(np.abs(p.high), 1), _exponents(np.abs(q.high), 0)
    (p_slices, p_off), (q_slices, q_off) = _sliced(p, rows, digits), _sliced(q, columns, digits)
    p_size, q_size = np.abs(np.ldexp(p.high, -rows)), np.abs(np.ldexp(q.high, -columns))
    radius = p_off @ (q_size + q_off) + p_size @ q_off
    if p_off.any() or q_off.any():  # products of which may underflow
        radius += LOST * ((p_size + p_off).any(1, keepdims=True) & (q_size + q_off).any(0))
    total = DoubleDouble(np.zeros(radius.shape))
    for (depth, a), (other, b) in sorted(product(p_slices, q_slices), key=lambda pair: -pair[0][0] - pair[1][0]):
        if depth + other - 2 * digits < DEEPEST:
            total = total + a @ b
        else:
            radius = radius + np.abs(a) @ np.abs(b)
    high, low = (np.ldexp(part, rows + columns) for part in (total.high, total.low))
    total.radius = total.radius + radius
    radius = np.ldexp(total.radius, rows + columns)
    small = (np.abs(high) < SMALL) & (total.high != 0) | (total.radius > 0)
    high, low = two_sum(high, low)
    return DoubleDouble(high, low, np.where(np.isfinite(low), radius + np.where(small, LOST, 0.0), np.inf))
