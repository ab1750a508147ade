"""Rows whose errors no single error of their sum explains (docs/theory/bounds.md, Theorem 14)."""

from __future__ import annotations

import numpy as np

from ..bounds.algebra import RowFactor
from ..problem.problem import Array
from .elements import ROUNDING, Elements


@np.errstate(all="ignore")  # an interval may be empty of numbers, or without an end
def infeasible_rows(elements: Elements) -> tuple[Array, Array, Array]:
    """Theorem 14: rows whose errors no single error of the sum explains.

    Returns: for each row how many times too far apart two of its elements are (above 1 is certainly wrong; 0 where the
    test says nothing), and the two columns.
    """
    factor = elements.factor
    assert isinstance(factor, RowFactor)
    counted = ~elements.special & np.isfinite(elements.got) & np.isfinite(elements.allowed)
    error, own = elements.error, factor.fixed + elements.doubt
    if factor.multiplies:
        p = elements.nearest
        low = np.where(counted, (error - own - factor.scaled) / (p + factor.scaled), -np.inf)
        high = np.where(counted & (p > factor.scaled), (error + own + factor.scaled) / (p - factor.scaled), np.inf)
    else:
        low, high = np.where(counted, error - own, -np.inf), np.where(counted, error + own, np.inf)
    low, high = np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)  # 0/0: exactly 0
    first, second = low.argmax(-1), high.argmin(-1)
    rows = np.arange(len(low))
    gap = low[rows, first] - high[rows, second]
    width = np.abs(high - low) / 2
    reach = width[rows, first] + width[rows, second]
    ratio = np.where(gap * (1 - ROUNDING) > 0, 1 + gap / reach, 0.0)
    return np.nan_to_num(ratio, nan=0.0, posinf=np.inf), first, second
