"""Hypothesis strategies for Problems.

Structure is drawn (shape, style, seed, options, layout) and expanded to arrays deterministically; it is the structure
that shrinks. Small arrays are drawn element by element, so that a counterexample shrinks to a minimal one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import prod
from typing import Any

import hypothesis
import numpy as np
from hypothesis import strategies as st

from ..problem.formats import FORMATS, Floats
from ..problem.interface import check_dimensions, check_option
from ..problem.operations import OPERATIONS, value_shape
from ..problem.problem import COMMON_LAYOUTS, LAYOUTS, Problem
from ..problem.rows import Axis, from_rows
from ..problem.validation import check_flag, check_mapping, check_name, check_names, shown
from .coverage import regions
from .drawn_arrays import distributions, seeds, with_strange_rows
from .loss_strategies import cross_entropy_problems, linear_cross_entropy_problems
from .request import DIMENSIONS, Request, few
from .seeded import by_seed_alone
from .steering import settings_of


def problems(
    operation: str,
    dtype: str,
    *,
    supports: frozenset[str] | None = None,
    small: bool = False,
    layouts: Sequence[str] = COMMON_LAYOUTS,
    fixed: Mapping[str, Any] | None = None,
    ndim: Collection[int] = (),
    towards: str = "",
) -> st.SearchStrategy[Problem]:
    """Problems of one operation in one dtype.

    Args:
        operation: a key of `softproof.OPERATIONS`.
        dtype: a format, such as ``"float32"``.
        supports: the optional inputs and options that may be drawn; by default all.
        small: at most three classes and two rows, drawn element by element: the witnesses that people like to read.
        layouts: the layouts that may be drawn, keys of `softproof.problem.problem.LAYOUTS`.
        fixed: options that have one value, such as ``{"reduction": "none"}``.
        ndim: how many dimensions the logits, probabilities or features may have; by default any number.
        towards: a region that they are likely to lie in; by default none.
    Returns: a Hypothesis strategy for `Problem`. Each problem drawn is an event for every region that it lies in, which
        ``pytest --hypothesis-show-statistics`` counts. A seed alone determines the problems, whatever code is loaded.
    Raises: ValueError for an unknown operation, dtype or option.

    >>> from hypothesis import Phase, find, settings
    >>> first = settings(phases=[Phase.generate])
    >>> find(problems("softmax", "float32", small=True), lambda problem: True, settings=first).inputs["logits"]
    array([0.], dtype=float32)
    """
    operation, dtype = check_name("operation", operation, OPERATIONS), check_name("dtype", dtype, FORMATS)
    check_flag("small", small)
    extras = frozenset(OPERATIONS[operation].extras)
    supports = extras if supports is None else frozenset(check_names("supports", supports, "dim"))
    if unknown := supports - extras:
        raise ValueError(f"supports names {', '.join(sorted(unknown))}; {operation} has {', '.join(sorted(extras))}")
    if not check_names("layouts", layouts, "strided", LAYOUTS):
        raise ValueError(f"layouts is {shown(layouts)}; expected at least one of {', '.join(LAYOUTS)}")
    for name, value in check_mapping("fixed", {} if fixed is None else fixed, "{'reduction': 'none'}").items():
        check_option(name, value)
    ndim = check_dimensions(ndim)
    known = {name: value for name, value in (fixed or {}).items() if name in OPERATIONS[operation].options}
    extras = supports - known.keys()
    request = Request(operation, dtype, extras, small, tuple(layouts), known, frozenset(ndim), settings_of(towards))
    if not any(request.may_have(count) for count in DIMENSIONS[operation]):
        raise ValueError(
            f"ndim is {sorted(ndim)}, fixed is {known}; "
            f"{operation} has {', '.join(map(str, DIMENSIONS[operation]))} dimensions"
        )
    if operation == "cross_entropy" and not request.batches():
        raise ValueError(f"ndim is {sorted(ndim)}, which is a loss without a batch, and unbatched is left out")
    return by_seed_alone(_STRATEGIES[operation](request).map(_with_events))


def _with_events(problem: Problem) -> Problem:
    for region in regions(problem):
        hypothesis.event(region)
    return problem


def _shapes(draw: st.DrawFn, request: Request) -> tuple[tuple[int, ...], int]:
    """A shape of one to four dimensions and one of its axes, which has at least one element."""
    width = draw(request.widths())
    others = few(width, request.others(draw, request.rows(width), 1 if request.small or width > 200 else 3))
    dim = request.fixed.get("dim", -1)
    dim = draw(st.integers(-len(others) - 1, len(others))) if "dim" in request.extras else dim
    others.insert(dim if dim >= 0 else len(others) + 1 + dim, width)
    return tuple(others), dim


def _dim_option(request: Request, dim: Axis) -> dict[str, Any]:
    return {"dim": dim} if "dim" in request.extras or "dim" in request.fixed else {}


@st.composite
def _softmax_problems(draw: st.DrawFn, request: Request) -> Problem:
    shape, dim = _shapes_of_logits(draw, request)
    logits = _logits(draw, request, shape, dim)
    options = _dim_option(request, dim)
    if "keepdim" in request.fixed or ("keepdim" in request.extras and request.pick(draw, "keepdim", (False, True))):
        options["keepdim"] = request.fixed.get("keepdim", True)
    rows = value_shape(Problem(request.operation, request.dtype, {"logits": logits}, {"dim": dim, **options}))
    upstream = request.upstream(draw, rows) if has_gradient(request.operation, logits) else None
    tangent = request.tangents(draw, shape) if has_gradient(request.operation, logits) else None
    return request.problem(draw, {"logits": logits}, options, upstream, tangent)


def _shapes_of_logits(draw: st.DrawFn, request: Request) -> tuple[tuple[int, ...], Axis]:
    """A shape, and one or several of its axes; rarely a number alone, or an axis without an element."""
    kind = request.rare(draw)
    if kind == "scalars":
        dim = draw(st.sampled_from((0, -1))) if "dim" in request.extras else request.fixed.get("dim", -1)
        return (), request.merged(draw, (1,), dim)
    shape, dim = _shapes(draw, request)
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


def _shares(draw: st.DrawFn, request: Request, shape: tuple[int, ...], axis: int) -> Floats:
    """Distributions; or rows that do not sum to 1, from twice as much to next to nothing, some of them or all."""
    p = distributions(draw, shape, request.dtype, axis=axis)
    if "unnormalised" not in request.extras or draw(st.integers(0, 2)) < 2:
        return p
    fmt = FORMATS[request.dtype]
    least = 2.0**-40 if fmt.tiny < 1e-30 else 2.0**-6
    scale, rng = draw(st.sampled_from((0.5, 2.0, least))), np.random.default_rng(draw(seeds()))
    rows = np.expand_dims(p.take(0, axis), axis).shape
    return fmt.round(p * np.where(rng.random(rows) < draw(st.sampled_from((0.5, 1.0))), scale, 1.0))


@st.composite
def _distribution_problems(draw: st.DrawFn, request: Request) -> Problem:
    shape, dim = _shapes(draw, request)
    names = OPERATIONS[request.operation].inputs
    inputs = {name: _shares(draw, request, shape, dim) for name in names}
    upstream = request.upstream(draw, tuple(np.delete(shape, dim)))
    return request.problem(draw, inputs, _dim_option(request, dim), upstream)


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
def _linear_problems(draw: st.DrawFn, request: Request) -> Problem:
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


_STRATEGIES = {
    "softmax": _softmax_problems,
    "log_softmax": _softmax_problems,
    "logsumexp": _softmax_problems,
    "entropy": _distribution_problems,
    "distribution_cross_entropy": _distribution_problems,
    "kl_divergence": _distribution_problems,
    "linear": _linear_problems,
    "cross_entropy": cross_entropy_problems,
    "linear_cross_entropy": linear_cross_entropy_problems,
}
