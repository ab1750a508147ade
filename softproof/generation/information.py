"""Strategies for the problems of distributions, and the regions that they have."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from ..problem.formats import FORMATS, Floats
from ..problem.operations import OPERATIONS
from ..problem.problem import Problem
from .drawn_arrays import distributions, seeds
from .regions.distributions import PAIRS_OF_DISTRIBUTIONS, ZEROS
from .regions.shapes import SIZES, layouts
from .regions.upstream import UPSTREAM
from .regions.usual import USUAL_CALLS
from .request import Request


def _shares(draw: st.DrawFn, request: Request, shape: tuple[int, ...], axis: int) -> Floats:
    """Distributions; or rows that do not sum to 1, from twice as much to next to nothing, some of them or all."""
    p = distributions(draw, shape, request.dtype, axis=axis)
    if "zeros" not in request.extras:
        p = np.maximum(p, FORMATS[request.dtype].u)
    if "unnormalised" not in request.extras or draw(st.integers(0, 2)) < 2:
        return p
    fmt = FORMATS[request.dtype]
    least = 2.0**-40 if fmt.tiny < 1e-30 else 2.0**-6
    scale, rng = draw(st.sampled_from((0.5, 2.0, least))), np.random.default_rng(draw(seeds()))
    rows = np.expand_dims(p.take(0, axis), axis).shape
    return fmt.round(p * np.where(rng.random(rows) < draw(st.sampled_from((0.5, 1.0))), scale, 1.0))


@st.composite
def entropy(draw: st.DrawFn, request: Request) -> Problem:
    """Of one distribution or two; the operation is in the request."""
    shape, dim = request.shapes(draw)
    names = OPERATIONS[request.operation].inputs
    inputs = {name: _shares(draw, request, shape, dim) for name in names}
    upstream = request.upstream(draw, tuple(np.delete(shape, dim)))
    return request.problem(draw, inputs, request.dim_option(dim), upstream)


distribution_cross_entropy = kl_divergence = entropy

_OF_PAIRS = SIZES | USUAL_CALLS | ZEROS | PAIRS_OF_DISTRIBUTIONS | UPSTREAM | layouts("p", "q", "grad_output")
REGIONS = {
    "entropy": SIZES | USUAL_CALLS | ZEROS | UPSTREAM | layouts("p", "grad_output"),
    "distribution_cross_entropy": _OF_PAIRS,
    "kl_divergence": _OF_PAIRS,
}
