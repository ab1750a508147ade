"""Hypothesis strategies for Problems.

Structure is drawn (shape, style, seed, options, layout) and expanded to arrays deterministically; it is the structure
that shrinks. Small arrays are drawn element by element, so that a counterexample shrinks to a minimal one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from .formats import FORMATS, Floats, Format
from .operations import OPERATIONS
from .problem import LAYOUTS, Array, Problem

WIDTHS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65, 127, 129)
SMALL = 12  # arrays of at most this many elements are drawn element by element


# ---- arrays ---------------------------------------------------------------------------------------------------------


def _normal(rng: np.random.Generator, shape: tuple[int, ...], scale: float = 3.0) -> Floats:
    return rng.normal(0.0, scale, shape)


def _one_dominant(rng: np.random.Generator, shape: tuple[int, ...], gap: float) -> Floats:
    """Each row has one logit that stands `gap` above the rest; the last axis is the row."""
    x = rng.uniform(-1.0, 1.0, shape)
    if x.size:
        np.put_along_axis(x, rng.integers(0, shape[-1], (*shape[:-1], 1)), gap, axis=-1)
    return x


STYLES = {
    "normal": _normal,
    "wide": lambda rng, shape: rng.uniform(-100.0, 100.0, shape),
    "equal": lambda rng, shape: np.full(shape, rng.normal()),
    "ties": lambda rng, shape: rng.integers(-2, 3, shape).astype(np.float64),
    "tiny": lambda rng, shape: rng.normal(0.0, 1e-30, shape),
    "offset 1e2": lambda rng, shape: _normal(rng, shape) + 1e2,
    "offset 1e4": lambda rng, shape: _normal(rng, shape) - 1e4,
    "offset 1e8": lambda rng, shape: _normal(rng, shape, 30.0) + 1e8,
    "gap 8": lambda rng, shape: _one_dominant(rng, shape, 8.0),
    "gap 17": lambda rng, shape: _one_dominant(rng, shape, 17.0),
    "gap 89": lambda rng, shape: _one_dominant(rng, shape, 89.0),
    "gap 104": lambda rng, shape: _one_dominant(rng, shape, 104.0),
    "gap 800": lambda rng, shape: _one_dominant(rng, shape, 800.0),
}


def elements(dtype: str, *, bound: float = 1000.0) -> st.SearchStrategy[float]:
    """Finite numbers of `dtype` of magnitude at most `bound`, subnormals among them."""
    fmt = FORMATS[dtype]
    width = {"float64": 64, "float32": 32, "bfloat16": 32, "float16": 16}[dtype]
    numbers = st.floats(-bound, bound, allow_nan=False, width=width)  # type: ignore[arg-type]  # width is a Literal
    return numbers.map(lambda x: float(fmt.round(x))) if dtype == "bfloat16" else numbers


@st.composite
def float_arrays(draw: st.DrawFn, shape: tuple[int, ...], dtype: str, *, axis: int = -1) -> Floats:
    """An array of `dtype` numbers: element by element when small, else one of STYLES along `axis` from a seed."""
    fmt = FORMATS[dtype]
    size = int(np.prod(shape))
    if size <= SMALL and not draw(st.booleans()):
        return np.array(draw(st.lists(elements(dtype), min_size=size, max_size=size)), np.float64).reshape(shape)
    style = draw(st.sampled_from([name for name in STYLES if name != "offset 1e8" or fmt.largest > 1e8]))
    rng = np.random.default_rng(draw(seeds()))
    moved = tuple(np.moveaxis(np.empty(shape, bool), axis, -1).shape)
    return fmt.round(np.moveaxis(STYLES[style](rng, moved), -1, axis))


def seeds() -> st.SearchStrategy[int]:
    """Seeds for deterministic expansion; they shrink towards 0."""
    return st.integers(0, 2**32 - 1)


@st.composite
def logit_arrays(draw: st.DrawFn, shape: tuple[int, ...], dtype: str, *, axis: int) -> Floats:
    """Logits: finite, or with some classes masked by -inf, never a whole row."""
    x = draw(float_arrays(shape, dtype, axis=axis))
    if x.size and shape[axis] > 1 and draw(st.integers(0, 4)) == 4:
        rng = np.random.default_rng(draw(seeds()))
        masked = rng.random(shape) < rng.random()
        np.put_along_axis(masked, np.expand_dims(x.argmax(axis), axis), False, axis=axis)
        x = np.where(masked, -np.inf, x)
    return x


@st.composite
def upstream_gradients(draw: st.DrawFn, shape: tuple[int, ...], dtype: str) -> Floats:
    """Upstream gradients: different for every element, all alike, one-hot, or zero; small and large ones among them."""
    fmt, size = FORMATS[dtype], int(np.prod(shape))
    if size <= SMALL and not draw(st.booleans()):
        drawn = st.lists(elements(dtype), min_size=size, max_size=size)
        return np.array(draw(drawn), np.float64).reshape(shape)
    style = draw(st.sampled_from(("different", "alike", "one-hot", "zero")))
    rng = np.random.default_rng(draw(seeds()))
    scale = draw(st.sampled_from((1.0, 0.0078125, 1024.0)))
    if style == "different":
        return fmt.round(scale * rng.normal(size=shape))
    if style == "alike":
        return fmt.round(np.full(shape, scale * rng.normal()))
    gradient = np.zeros(shape)
    if style == "one-hot" and gradient.size:
        gradient.flat[rng.integers(gradient.size)] = scale
    return gradient


@st.composite
def distributions(draw: st.DrawFn, shape: tuple[int, ...], dtype: str, *, axis: int = -1) -> Floats:
    """Nonnegative rows that sum to 1 up to rounding: uniform, peaked, one-hot, or with zeros planted."""
    fmt = FORMATS[dtype]
    rng = np.random.default_rng(draw(seeds()))
    concentration = draw(st.sampled_from((1.0, 100.0, 0.05)))
    rows = tuple(np.moveaxis(np.empty(shape, bool), axis, -1).shape)
    kind = draw(st.sampled_from(("dirichlet", "zeros", "one-hot")))
    if kind == "one-hot":
        p = np.eye(rows[-1])[rng.integers(0, rows[-1], rows[:-1])]
    else:
        p = rng.dirichlet(np.full(rows[-1], concentration), rows[:-1]).reshape(rows)
        if kind == "zeros":
            p = np.where((rng.random(rows) < 0.3) & (p < p.max(-1, keepdims=True)), 0.0, p)
            p = p / p.sum(-1, keepdims=True)
    return np.moveaxis(fmt.round(p), -1, axis)


# ---- problems -------------------------------------------------------------------------------------------------------


def problems(
    operation: str, dtype: str, *, supports: frozenset[str] | None = None
) -> st.SearchStrategy[Problem]:
    """Problems of one operation in one dtype, with the optional inputs and options in `supports` (default: all).

    >>> problems("softmax", "float32").example().operation  # doctest: +SKIP
    'softmax'
    """
    if operation not in OPERATIONS:
        raise ValueError(f"operation is {operation!r}; expected one of {', '.join(OPERATIONS)}")
    if dtype not in FORMATS:
        raise ValueError(f"dtype is {dtype!r}; expected one of {', '.join(FORMATS)}")
    extras = frozenset(OPERATIONS[operation].extras) if supports is None else supports
    return _STRATEGIES[operation](operation, dtype, extras)


def _layouts() -> st.SearchStrategy[str]:
    return st.sampled_from(LAYOUTS)


@st.composite
def _shapes(draw: st.DrawFn) -> tuple[tuple[int, ...], int]:
    """A shape of one to four dimensions and one of its axes, which has at least one element."""
    width = draw(st.sampled_from(WIDTHS))
    others = draw(st.lists(st.integers(0, 5), max_size=3))
    dim = draw(st.integers(-len(others) - 1, len(others)))
    others.insert(dim if dim >= 0 else len(others) + 1 + dim, width)
    return tuple(others), dim


@st.composite
def _softmax_problems(draw: st.DrawFn, operation: str, dtype: str, extras: frozenset[str]) -> Problem:
    shape, dim = draw(_shapes())
    options = {"dim": dim} if "dim" in extras else {}
    dim = options.get("dim", -1)
    if shape[dim] == 0:
        shape = (*shape[:-1], 1)
    logits = draw(logit_arrays(shape, dtype, axis=dim))
    value_shape = tuple(np.delete(shape, dim)) if operation == "logsumexp" else shape
    upstream = draw(upstream_gradients(value_shape, dtype))
    return Problem(operation, dtype, {"logits": logits}, options, upstream, draw(_layouts()))


@st.composite
def _distribution_problems(draw: st.DrawFn, operation: str, dtype: str, extras: frozenset[str]) -> Problem:
    shape, dim = draw(_shapes())
    options = {"dim": dim} if "dim" in extras else {}
    dim = options.get("dim", -1)
    if shape[dim] == 0:
        shape = (*shape[:-1], 1)
    names = OPERATIONS[operation].inputs
    inputs = {name: draw(distributions(shape, dtype, axis=dim)) for name in names}
    return Problem(operation, dtype, inputs, options, layout=draw(_layouts()))


@st.composite
def _linear_problems(draw: st.DrawFn, operation: str, dtype: str, extras: frozenset[str]) -> Problem:
    batch = tuple(draw(st.lists(st.integers(0, 6), max_size=2)))
    features, classes = draw(st.sampled_from(WIDTHS[:11])), draw(st.sampled_from(WIDTHS[:11]))
    inputs = {
        "input": draw(_factors((*batch, features), dtype)),
        "weight": draw(_factors((classes, features), dtype)),
    }
    if "bias" in extras and draw(st.booleans()):
        inputs["bias"] = draw(_factors((classes,), dtype))
    upstream = draw(upstream_gradients((*batch, classes), dtype))
    return Problem(operation, dtype, inputs, {}, upstream, draw(_layouts()))


@st.composite
def _factors(draw: st.DrawFn, shape: tuple[int, ...], dtype: str) -> Floats:
    """Entries of a matrix: moderate, so that products stay inside the range of every format."""
    fmt, size = FORMATS[dtype], int(np.prod(shape))
    if size <= SMALL and not draw(st.booleans()):
        drawn = st.lists(elements(dtype, bound=16.0), min_size=size, max_size=size)
        return np.array(draw(drawn), np.float64).reshape(shape)
    rng = np.random.default_rng(draw(seeds()))
    return fmt.round(draw(st.sampled_from((1.0, 0.0625, 8.0))) * rng.normal(size=shape))


@st.composite
def _loss_options(
    draw: st.DrawFn, dtype: str, extras: frozenset[str], shape: tuple[int, ...]
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Target, class weights and options for logits of `shape`: (C,), (N, C) or (N, C, d1, …)."""
    axis = 0 if len(shape) == 1 else 1
    classes, label_shape = shape[axis], tuple(np.delete(shape, axis))
    options: dict[str, Any] = {}
    if "reduction" in extras:
        options["reduction"] = draw(st.sampled_from(("mean", "sum", "none")))
    if "label_smoothing" in extras and draw(st.booleans()):
        options["label_smoothing"] = draw(st.sampled_from((0.1, 0.5, 1.0, 1e-3)))
    inputs: dict[str, Array] = {}
    if "weight" in extras and draw(st.booleans()):
        inputs["weight"] = draw(class_weights(classes, dtype))
    if draw(st.booleans()):
        inputs["target"] = draw(distributions(shape, dtype, axis=axis))
        return inputs, options
    ignore_index = draw(st.sampled_from((-100, -1, 0, classes - 1, 255))) if "ignore_index" in extras else -100
    if ignore_index != -100:
        options["ignore_index"] = ignore_index
    rng = np.random.default_rng(draw(seeds()))
    labels = rng.integers(0, classes, label_shape)
    if "ignore_index" in extras:
        labels = np.where(rng.random(label_shape) < draw(st.sampled_from((0.0, 0.3, 1.0))), ignore_index, labels)
    inputs["target"] = labels
    return inputs, options


@st.composite
def class_weights(draw: st.DrawFn, classes: int, dtype: str) -> Floats:
    """Positive class weights."""
    rng = np.random.default_rng(draw(seeds()))
    return FORMATS[dtype].round(rng.uniform(0.1, 4.0, classes))


def _masks_are_specified(inputs: dict[str, Array], options: dict[str, Any]) -> bool:
    """Whether a -inf logit has one answer: a coefficient of 0 that meets it is 0·inf, which no document fixes."""
    return inputs["target"].dtype == np.int64 and options.get("label_smoothing") != 1.0


@st.composite
def _cross_entropy_problems(draw: st.DrawFn, operation: str, dtype: str, extras: frozenset[str]) -> Problem:
    classes = draw(st.sampled_from(WIDTHS))
    rest = draw(st.one_of(st.just(None), st.lists(st.integers(0, 3), max_size=2)))
    shape = (classes,) if rest is None else (draw(st.integers(0, 8)), classes, *rest)
    extra_inputs, options = draw(_loss_options(dtype, extras, shape))
    arrays = logit_arrays if _masks_are_specified(extra_inputs, options) else float_arrays
    inputs = {"logits": draw(arrays(shape, dtype, axis=0 if len(shape) == 1 else 1))} | extra_inputs
    reduced = options.get("reduction", "mean") != "none"
    value_shape = () if reduced else tuple(np.delete(shape, 0 if len(shape) == 1 else 1))
    upstream = draw(upstream_gradients(value_shape, dtype))
    return Problem(operation, dtype, inputs, options, upstream, draw(_layouts()))


@st.composite
def _linear_cross_entropy_problems(draw: st.DrawFn, operation: str, dtype: str, extras: frozenset[str]) -> Problem:
    batch = draw(st.one_of(st.just(()), st.tuples(st.integers(0, 8))))
    features, classes = draw(st.sampled_from(WIDTHS[:11])), draw(st.sampled_from(WIDTHS[:12]))
    inputs: dict[str, Array] = {
        "input": draw(_factors((*batch, features), dtype)),
        "linear_weight": draw(_factors((classes, features), dtype)),
    }
    if "linear_bias" in extras and draw(st.booleans()):
        inputs["linear_bias"] = draw(_factors((classes,), dtype))
    extra_inputs, options = draw(_loss_options(dtype, extras, (*batch, classes)))
    reduced = options.get("reduction", "mean") != "none"
    upstream = draw(upstream_gradients(() if reduced else batch, dtype))
    return Problem(operation, dtype, inputs | extra_inputs, options, upstream, draw(_layouts()))


_STRATEGIES = {
    "softmax": _softmax_problems,
    "log_softmax": _softmax_problems,
    "logsumexp": _softmax_problems,
    "entropy": _distribution_problems,
    "distribution_cross_entropy": _distribution_problems,
    "kl_divergence": _distribution_problems,
    "linear": _linear_problems,
    "cross_entropy": _cross_entropy_problems,
    "linear_cross_entropy": _linear_cross_entropy_problems,
}
