"""Strategies for the problems of softmax, log-softmax and logsumexp, and the regions that they have."""

from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import strategies as st

from ..problem.formats import Floats
from ..problem.outputs import value_shape
from ..problem.problem import Problem
from ..problem.rows import Axis, from_rows
from .drawn_arrays import with_strange_rows
from .regions.logits import GAPS, LOWEST, NOT_FINITE
from .regions.shapes import FIVE_DIMENSIONS, SHAPES_OF_LOGITS, SHAPES_OF_SUMS, SIZES, layouts
from .regions.upstream import UPSTREAM
from .regions.usual import USUAL_CALLS
from .request import Request


@st.composite
def softmax(draw: st.DrawFn, request: Request) -> Problem:
    """Of logits, along one axis or several; the operation is in the request."""
    shape, dim = _shapes_of_logits(draw, request)
    logits = _logits(draw, request, shape, dim)
    options = request.dim_option(dim)
    if "keepdim" in request.fixed or ("keepdim" in request.extras and request.pick(draw, "keepdim", (False, True))):
        options["keepdim"] = request.fixed.get("keepdim", True)
    rows = value_shape(Problem(request.operation, request.dtype, {"logits": logits}, {"dim": dim, **options}))
    upstream = request.upstream(draw, rows) if has_gradient(request.operation, logits) else None
    tangent = request.tangents(draw, shape) if has_gradient(request.operation, logits) else None
    return request.problem(draw, {"logits": logits}, options, upstream, tangent)


log_softmax = logsumexp = softmax


def _shapes_of_logits(draw: st.DrawFn, request: Request) -> tuple[tuple[int, ...], Axis]:
    """A shape, and one or several of its axes; rarely a number alone, or an axis without an element."""
    kind = request.rare(draw)
    if kind == "scalars":
        dim = draw(st.sampled_from((0, -1))) if "dim" in request.extras else request.fixed.get("dim", -1)
        return (), request.merged(draw, (1,), dim)
    shape, dim = request.shapes(draw)
    if kind == "empty_classes":
        shape = tuple(0 if axis == dim % len(shape) else size for axis, size in enumerate(shape))
    return shape, request.merged(draw, shape, dim)


def _logits(draw: st.DrawFn, request: Request, shape: tuple[int, ...], dim: Axis) -> Floats:
    """Logits along one axis, or along several together."""
    if 0 in shape:
        return np.zeros(shape)
    several = isinstance(dim, tuple) or not shape
    axes = tuple(each % max(1, len(shape)) for each in (dim if isinstance(dim, tuple) else (dim,)))
    others = [size for axis, size in enumerate(shape) if axis not in axes]
    flat, axis = ((*others, prod(shape) // prod(others)), -1) if several else (shape, axes[0])
    logits = request.logits(draw, flat, axis)
    if request.strange(draw):
        logits = with_strange_rows(draw, logits, axis, kind=request.settings.get("row", ""))
    return from_rows(logits, shape, axes if shape else ()) if several else logits


def has_gradient(operation: str, logits: Floats) -> bool:
    """Whether a bound promises anything: not of exp(x - logsumexp(x)), where x - logsumexp(x) has no correct digit."""
    return operation != "logsumexp" or bool((np.abs(logits[np.isfinite(logits)]) < 1e9).all())


_REGIONS = (
    SIZES
    | USUAL_CALLS
    | FIVE_DIMENSIONS
    | SHAPES_OF_LOGITS
    | GAPS
    | LOWEST
    | NOT_FINITE
    | UPSTREAM
    | layouts("logits", "grad_output")
)
REGIONS = {"softmax": _REGIONS, "log_softmax": _REGIONS, "logsumexp": _REGIONS | SHAPES_OF_SUMS}
