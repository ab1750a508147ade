"""A small loss as a question."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...problem.problem import Array, Problem
from .edge_case import F32


def loss(logits: Any, target: Any, weight: Any = None, dtype: str = F32, **options: Any) -> Problem:
    """Of logits, with an upstream gradient that differs from row to row."""
    x, y = np.asarray(logits, np.float64), np.asarray(target)
    inputs: dict[str, Array] = {"logits": x, "target": y}
    if weight is not None:
        inputs["weight"] = np.asarray(weight, np.float64)
    rows = y.shape if y.dtype.kind == "i" else tuple(np.delete(x.shape, min(x.ndim - 1, 1)))
    g = np.arange(1.0, 1.0 + np.prod(rows)).reshape(rows) if options.get("reduction") == "none" else 1.0
    return Problem("cross_entropy", dtype, inputs, options, g)
