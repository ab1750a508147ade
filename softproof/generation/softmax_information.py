"""Strategies for the problems of entropies and divergences of softmaxes, and the regions that they have."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from ..problem.formats import FORMATS
from ..problem.problem import Problem
from ..problem.rows import axis_of, wide_rows
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


@st.composite
def softmax_kl_divergence(draw: st.DrawFn, request: Request) -> Problem:
    """Of two arrays of logits along one axis, none near overflow; in a quarter of the problems they are the same."""
    (shape, dim), most = request.shapes(draw), min(2.0**40, FORMATS[request.dtype].largest / 16)  # times g
    p, q = (request.logits(draw, shape, dim).clip(-most, most) for _ in range(2))
    inputs = {"p_logits": p, "q_logits": p.copy() if request.happens(draw, "same", 3) else q}
    upstream = request.upstream(draw, tuple(np.delete(shape, dim)))
    return request.problem(draw, inputs, request.dim_option(dim), upstream)


def _are_the_same(problem: Problem) -> bool:
    """Whether the divergence of a row of several classes is 0."""
    p, q = (wide_rows(problem.inputs[name], axis_of(problem)) for name in ("p_logits", "q_logits"))
    return p.shape[-1] > 1 and bool((p == q).all(-1).any())


_ALL = SIZES | USUAL_CALLS | UPSTREAM
REGIONS = {
    "softmax_entropy": _ALL | GAPS | LOWEST | NOT_FINITE | layouts("logits", "grad_output"),
    "softmax_kl_divergence": _ALL
    | layouts("p_logits", "q_logits", "grad_output")
    | {"the same logits twice": _are_the_same},
}
