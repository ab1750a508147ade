"""Error algebra (docs/bounds.md, section 1): how relative errors multiply, divide, add up and are stored."""

from __future__ import annotations

import numpy as np

from ..arithmetic import Arithmetic
from ..problem import Array

Pairs = dict[str, tuple[Array, Array]]  # output name -> (value, error before storing)


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


def powers(count: int, u: float) -> Array:
    """Relative error of `count` roundings: (1 + u)^count - 1."""
    return np.asarray(np.expm1(count * np.log1p(u)))


def additions(count: Array | int, u: float) -> Array:
    """Relative error, against Σ|terms|, of adding `count` numbers in any order (Jeannerod & Rump 2013)."""
    return np.maximum(np.asarray(count, np.float64) - 1, 0) * u


def store(value: Array, error: Array, arithmetic: Arithmetic) -> Array:
    """Theorem 1: one rounding of the result to the storage format."""
    if not arithmetic.rounds_on_storing:
        return error
    storage = arithmetic.storage
    stored = error + storage.u * (np.abs(value) + error) + storage.subnormal / 2
    return np.where(np.isfinite(value), stored, 0.0)


def grown(log_value: Array, shift: Array) -> Array:
    """At least e^v (e^shift - 1), without 0·inf when v is hugely negative and shift huge."""
    small = np.exp(log_value) * np.expm1(np.minimum(shift, 1))
    return np.where(shift < 1, small, np.exp(log_value + shift))
