"""Derivatives in a direction: J v and Σ p v, and the Hessian times v (docs/theory/bounds.md, section 11).

Everything here is a sum of products of magnitudes, as in an evaluation without cancellation. In whatever order the
products are formed, each of them carries the errors of its factors, and the roundings that it goes through.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..problem.formats import Floats
from ..problem.problem import Array
from .algebra import Known, powers, rmul
from .arithmetic import Arithmetic

STEP = "derivatives"  # what `Arithmetic.stored` calls the intermediate results of this file


def inside(a: Arithmetic) -> Arithmetic:
    """The arithmetic of the exponentials here: where intermediate results are stored, those of each row are too."""
    return a if STEP not in a.stored else replace(a, stored=a.stored | {"shift", "exp", "sum", "log", "output"})


def given(values: Array, a: Arithmetic) -> Known:
    """An input (r, C): exact, but for subnormal numbers where they count as 0."""
    return Known(np.abs(values.astype(np.float64, copy=False)), a.flushed(1))


def _error(known: Known, a: Arithmetic, roundings: int, underflow: Array | float) -> Floats:
    """The error after so many roundings, each product of `known` through all of them."""
    return np.asarray(known.rounded(powers(roundings, a.rounding(STEP)), underflow + a.flushed(roundings)).error)


def mean(p: Known, v: Known, a: Arithmetic, enlarged: Array | float = 1.0) -> Known:
    """Theorem 17 (a): Σ_k p_k v_k (r, 1), an inner product, or one of exponentials that is divided by their sum."""
    classes = p.size.shape[-1]
    lost = 2 * classes * a.underflow(STEP) * enlarged + a.flushed(classes)
    relative = rmul(classes * a.compute.u, powers(4, a.rounding(STEP)))
    return (p * v).summed().rounded(relative, lost)


def along(p: Known, v: Known, a: Arithmetic) -> Floats:
    """Theorem 17 (b): the error of J v, as p (v - Σ p v) or p v - p Σ p v (r, C)."""
    return _error(p * v + p * mean(p, v, a), a, 3, 3 * a.underflow(STEP))


def scaled(slope: Known, p: Known, v: Known, a: Arithmetic, enlarged: Array | float = 1.0) -> Floats:
    """Theorem 18 (a): the error of a number for each row (r, 1) times J v, whatever is multiplied first."""
    lost = (2 * p.size.shape[-1] + 8) * a.underflow(STEP) * enlarged * _most(v) * np.maximum(1, slope.size)
    return _error((p * v + p * mean(p, v, a)) * slope, a, 8, lost)


def curvature(p: Known, g: Known, v: Known, a: Arithmetic) -> Floats:
    """Theorem 18 (b): the error of the derivative of p (g - Σ p g) in the direction v (r, C)."""
    classes, most = p.size.shape[-1], _most(g) * _most(v)
    of_g, of_v, of_both = mean(p, g, a), mean(p, v, a), mean(p, g * v, a, 2 * most)
    once = p * g * of_v + p * of_g * v + p * of_both
    whole = p.summed()
    twice = p * of_g * of_v * (Known(np.ones_like(whole.size)) + whole + whole + whole)
    twice = twice.rounded(classes * a.compute.u, 0.0)
    return _error(p * g * v + once + twice, a, 8, (20 + 4 * classes) * a.underflow(STEP) * most)


def _most(known: Known) -> Floats:
    """The largest factor in a row that may still be multiplied, at least 1 (r, 1)."""
    return np.asarray(known.size.max(-1, keepdims=True, initial=1.0))
