"""Gradients that the forward pass makes and stores, and the backward pass multiplies by the upstream gradient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..problem.formats import Floats
from .algebra import Allowed, RowUnknowns
from .arithmetic import Arithmetic


def made_in_forward(bound: Allowed, g: Floats, a: Arithmetic) -> Allowed:
    """Theorem 10 (b): the bound of g times what is stored; `g` fits the rows, and an exact 0 stays one."""
    if "gradient" not in a.stored:
        return bound
    relative, lost = a.rounding("gradient"), np.maximum(1, np.abs(g)) * a.underflow("gradient")
    size = np.abs(bound.value) + bound.error
    exact = (bound.value == 0) & (bound.error == 0)
    more = np.where(exact, 0.0, relative * size + lost)
    row = bound.row
    if isinstance(row, RowUnknowns):
        own = row.own + np.where(exact, 0.0, relative * (np.abs(bound.value) + row.reach + row.own) + lost)
        row = replace(row, own=own)
    return replace(bound, error=bound.error + more, row=row)
