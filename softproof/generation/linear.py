"""Strategies for the problems of a linear layer, and the regions that they have."""

from __future__ import annotations

from hypothesis import strategies as st

from ..problem.problem import Problem
from .regions.linear import OF_LINEAR
from .regions.shapes import SIZES, layouts
from .regions.upstream import UPSTREAM
from .regions.usual import USUAL_CALLS
from .request import Request, few


def _features_and_classes(draw: st.DrawFn, request: Request) -> tuple[int, int]:
    """Two sizes, one of which is large in a third of the problems: more than a tile, or several."""
    few, other = draw(request.widths(most=17)), draw(request.widths(most=17))
    if "wide" in request.settings:
        which, sizes = request.settings["wide"]
        sizes = tuple(size for size in sizes if size or "empty" in request.extras) or (few,)
        if which == "both":
            return draw(st.sampled_from(sizes)), draw(st.sampled_from(sizes))
        return (draw(st.sampled_from(sizes)), few) if which == "features" else (few, draw(st.sampled_from(sizes)))
    if not request.small and draw(st.integers(0, 2)) == 2:
        other = request.wide(draw)
    return (few, other) if draw(st.booleans()) else (other, few)


@st.composite
def linear(draw: st.DrawFn, request: Request) -> Problem:
    """Of features, a weight and maybe a bias."""
    features, classes = _features_and_classes(draw, request)
    batch = tuple(few(max(classes, features), request.others(draw, request.rows(classes, features, chunks=True), 2)))
    if (len(batch) == 1 or "square" in request.settings) and request.may_have(2) and request.square(draw, classes):
        batch = (classes,)
    if 0 in batch and draw(st.booleans()):
        classes = 1
    inputs = {
        "input": request.factors(draw, (*batch, features)),
        "weight": request.factors(draw, (classes, features)),
    }
    if "bias" in request.extras and (request.settings.get("bias") or draw(st.booleans())):
        inputs["bias"] = request.factors(draw, (classes,))
    return request.problem(draw, inputs, {}, request.upstream(draw, (*batch, classes)))


REGIONS = {
    "linear": SIZES | USUAL_CALLS | OF_LINEAR | UPSTREAM | layouts("input", "weight", "bias", "grad_output"),
}
