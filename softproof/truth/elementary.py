"""exp and log of double-double numbers, with the relative errors that docs/theory/bounds.md, Theorem 24, proves.

Arguments are reduced by tables, as in P. T. P. Tang, ACM TOMS 15(2), 1989, and 16(4), 1990: e^x = 2^(k/N) e^r, and
log x = k log 2 - log c + log(1 + f) with c next to 1/x. The tables are made of balls when they are first needed.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from flint import arb, ctx

from ..problem.problem import Array
from .double_double import LOST, SMALL, DoubleDouble, multiply, where
from .error_free import U, fast_two_sum, two_product, two_sum

EXP, LOG = 2.0**-94, 2.0**-90  # relative errors; that of a logarithm is told by its radius, and at most this
STEPS = 1 << 14  # powers 2^(j/STEPS) of the table of exp
PLACES = 512  # c = PLACES/j in the table of log
NEAR = 2.0**-10  # of 1, or of 0: where a series is used


def of_ball(x: arb) -> tuple[float, float]:
    """The double-double number next to a ball: within 2^-105 of it, relatively."""
    high = float(x.mid())
    return high, float((x - high).mid())


@cache
def _powers() -> tuple[Array, Array]:
    """2^(j/STEPS) for j below STEPS, each as high + low within 2^-100 of it, relatively."""
    coarse, fine = STEPS // 128, 128
    with ctx.workprec(256):
        tables = [
            [of_ball(arb(2) ** (arb(j) * step / STEPS)) for j in range(n)] for n, step in ((coarse, fine), (fine, 1))
        ]
    (high, low), (fine_high, fine_low) = (np.array(table).T for table in tables)
    found = multiply(DoubleDouble(high[:, None], low[:, None]), DoubleDouble(fine_high, fine_low))
    return found.high.reshape(-1), found.low.reshape(-1)


@cache
def _step() -> tuple[float, float, float]:
    """log 2/STEPS in three parts, the first two of 28 bits, so that their products with k are exact."""
    with ctx.workprec(256):
        step = arb(2).log() / STEPS
        first = float(np.floor(float(step) * 2.0**42)) * 2.0**-42
        second = float(np.floor(float(step - first) * 2.0**70)) * 2.0**-70
        return first, second, float(step - first - second)


def _exp(x: Array, low: Array) -> tuple[Array, Array]:
    """e^(x + low) of numbers between -750 and 710."""
    first, second, third = _step()
    k = np.rint(x * (1 / (first + second)))
    r, rest = two_sum(x - k * first, -(k * second))
    r, rest = two_sum(r, rest + (low - k * third))
    s, lost = two_product(r, r)
    tail = r * s * (1 / 6 + r * (1 / 24 + r * (1 / 120))) + (lost / 2 + r * rest) + rest
    p, p_low = fast_two_sum(r, s / 2)  # e^r - 1
    p_low = p_low + tail
    number = k.astype(np.int64)
    at, exponent = number & (STEPS - 1), (number >> 14).astype(np.int32)
    t, t_low = (table[at] for table in _powers())
    m, m_low = two_product(t, p)
    high, beside = fast_two_sum(t, m)
    high, beside = fast_two_sum(high, (beside + (m_low + t_low)) + (t * p_low + t_low * p))
    return np.ldexp(high, exponent), np.ldexp(beside, exponent)


def exp(x: DoubleDouble) -> DoubleDouble:
    """e^x, within EXP of it, relatively, and what its radius says."""
    inside = np.clip(x.high, -750.0, 710.0)
    high, rest = _exp(inside, np.where(inside == x.high, x.low, 0.0))
    grown = np.where(x.radius <= 1, x.radius * (1 + x.radius), np.inf)
    radius = np.abs(high) * (EXP + grown)
    if (small := high < SMALL).any():
        radius += np.where(small, LOST * (1 + grown), 0.0)
    return DoubleDouble(high, np.where(x.high < 710, rest, np.nan), np.where(x.high < 710, radius, np.inf))


def expm1(x: DoubleDouble) -> DoubleDouble:
    """e^x - 1; next to 0 x + x²/2."""
    near = np.abs(x.high) < 2.0**-35
    close = where(near, x, 0.0)
    square: DoubleDouble = close * close * 0.5
    series: DoubleDouble = close + square
    rest = 2 * np.abs(square.high * close.high) + np.where(close.radius <= 1, close.radius * close.radius, np.inf)
    series.radius = series.radius + rest
    far: DoubleDouble = exp(where(near, 0.0, x)) - 1.0
    return where(near, series, far)


@cache
def _places() -> tuple[Array, DoubleDouble]:
    """c next to PLACES/j, and -log c, for j up to 2 PLACES."""
    c = PLACES / np.arange(1.0, 2 * PLACES)
    with ctx.workprec(256):
        logs = np.array([of_ball(-arb(each).log()) for each in c.tolist()]).T
    return np.concatenate([[1.0], c]), DoubleDouble(
        *(np.concatenate([[0.0], part]) for part in (*logs, np.abs(logs[0]) * 2.0**-104))
    )


@cache
def _constants() -> tuple[DoubleDouble, ...]:
    """log 2, and 1/3 and 1/5."""
    with ctx.workprec(256):
        found = [of_ball(each) for each in (arb(2).log(), arb(1) / 3, arb(1) / 5)]
    return tuple(DoubleDouble(high, low, 2.0**-104 * high) for high, low in found)


def _log_near_1(f: DoubleDouble) -> DoubleDouble:
    """log(1 + f) of |f| <= 2^-9, as 2(s + s³/3 + s⁵/5 + …) with s = f/(2 + f)."""
    _, third, fifth = _constants()
    s: DoubleDouble = f / (f + 2.0)
    z: DoubleDouble = s * s
    seventh = DoubleDouble(1 / 7 + z.high / 9, None, np.full(z.shape, 2.0**-39))
    series: DoubleDouble = s * z * (z * (z * seventh + fifth) + third) + s
    found: DoubleDouble = series * 2.0
    return found


def log(x: DoubleDouble) -> DoubleDouble:
    """log x."""
    c, logs = _places()
    mantissa, k = np.frexp(np.where(x.high > 0, x.high, 1.0))
    below = mantissa < np.sqrt(0.5)
    mantissa, k = np.where(below, 2 * mantissa, mantissa), k - below
    at = np.rint(mantissa * PLACES).astype(np.int64)
    p, lost = two_product(mantissa, c[at])
    low = np.ldexp(x.low, -k) * c[at]
    beside = np.where(c[at] == 1, 0.0, 2 * U * (np.abs(low) + np.abs(lost)))
    f = DoubleDouble(*two_sum(p - 1, lost + low), beside)
    found: DoubleDouble = DoubleDouble(k) * _constants()[0] + logs[at] + _log_near_1(f)
    beside = np.where(x.radius <= x.high / 2, x.high * (1 - 2.0**-52) - x.radius, 0.0)
    radius = found.radius + x.radius / beside
    return DoubleDouble(found.high, found.low, np.where(beside > 0, radius, np.inf))


def log1p(x: DoubleDouble) -> DoubleDouble:
    """log(1 + x)."""
    near = np.abs(x.high) < NEAR
    return where(near, _log_near_1(where(near, x, 0.0)), log(where(near, 1.0, x + 1.0)))


UFUNCS = {np.exp: exp, np.expm1: expm1, np.log: log, np.log1p: log1p}
