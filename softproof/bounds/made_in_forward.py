"""Gradients that the forward pass makes and stores, and the backward pass multiplies by the upstream gradient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..problem.formats import Floats
from .algebra import Allowed, RowUnknowns
from .arithmetic import Arithmetic


def made_in_forward(each: Allowed, g: Floats, a: Arithmetic) -> Allowed:
    """Theorem 10 (b): the bound of g times what is stored; `g` fits the rows, and an exact 0 stays one."""
    if "gradient" not in a.stored:
        return each
    relative, lost = a.rounding("gradient"), np.maximum(1, np.abs(g)) * a.underflow("gradient")
    size = np.abs(each.value) + each.error
    exact = (each.value == 0) & (each.error == 0)
    more = np.where(exact, 0.0, relative * size + lost)
    row = each.row
    if isinstance(row, RowUnknowns):
        own = row.own + np.where(exact, 0.0, relative * (np.abs(each.value) + row.reach + row.own) + lost)
        row = replace(row, own=own)
    return replace(each, error=each.error + more, row=row)
