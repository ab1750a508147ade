"""Strategies for the problems of the entropy of a softmax, and the regions that they have."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from ..problem.problem import Problem
from .drawn_arrays import with_strange_rows
from .regions.logits import GAPS, LOWEST, NOT_FINITE
from .regions.shapes import SIZES, layouts
from .regions.upstream import UPSTREAM
from .regions.usual import USUAL_CALLS
from .request import Request


@st.composite
def softmax_entropy(draw: st.DrawFn, request: Request) -> Problem:
    """Of logits along one axis; the operation is in the request."""
    shape, dim = request.shapes(draw)
    logits = request.logits(draw, shape, dim)
    if request.strange(draw):
        logits = with_strange_rows(draw, logits, dim, kind=request.settings.get("row", ""))
    upstream = request.upstream(draw, tuple(np.delete(shape, dim)))
    return request.problem(draw, {"logits": logits}, request.dim_option(dim), upstream)


REGIONS = {
    "softmax_entropy": SIZES | USUAL_CALLS | GAPS | LOWEST | NOT_FINITE | UPSTREAM | layouts("logits", "grad_output")
}
