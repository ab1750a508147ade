"""Hypothesis strategies for Problems.

Structure is drawn (shape, style, seed, options, layout) and expanded to arrays deterministically; it is the structure
that shrinks. Small arrays are drawn element by element, so that a counterexample shrinks to a minimal one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from .formats import FORMATS, Floats, Format
from .operations import DIRECTIONAL, OPERATIONS
from .problem import LAYOUTS, Array, Problem

WIDTHS = ((1, 2, 3), (4, 5, 7, 8, 9), (15, 16, 17), (31, 32, 33), (64, 65, 127, 129))  # around vectors and tiles
SMALL = 12  # arrays of at most this many elements are drawn element by element


# ---- arrays ---------------------------------------------------------------------------------------------------------


Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]


@dataclass(frozen=True)
class Style:
    """One look of logits: `draw` takes (rng, shape) and makes rows along the last axis, in float64.

    It needs a format of `precision` bits that holds numbers up to `largest`.
    """

    draw: Draw
    precision: int = 0
    largest: float = 0.0

    def fits(self, fmt: Format, finite: bool) -> bool:
        """Whether `fmt` holds these logits and, if they have to be `finite`, the distances between them."""
        return fmt.precision >= self.precision and fmt.largest >= self.largest * (1 + finite)


def _normal(rng: np.random.Generator, shape: tuple[int, ...], scale: float = 3.0) -> Floats:
    return rng.normal(0.0, scale, shape)


def _one_dominant(rng: np.random.Generator, shape: tuple[int, ...], gap: float) -> Floats:
    """Each row has one logit that stands `gap` above the rest."""
    x = rng.uniform(-1.0, 1.0, shape)
    if x.size:
        np.put_along_axis(x, rng.integers(0, shape[-1], (*shape[:-1], 1)), gap, axis=-1)
    return x


def _two_levels(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """A high and a low value, in any proportion."""
    return np.where(rng.random(shape) < rng.random(), 0.0, -rng.exponential(10.0))


def _spread(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """All magnitudes from 1/1000 to 10 000."""
    return rng.choice((-1.0, 1.0), shape) * 10.0 ** rng.uniform(-3.0, 4.0, shape)


def _near_underflow(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Exponentials around the smallest normal and subnormal numbers of float16, of float32, or of float64."""
    low, high = ((-18.0, -9.0), (-105.0, -86.0), (-747.0, -707.0))[rng.integers(3)]
    x = rng.uniform(low, high, shape)
    if x.size:
        np.put_along_axis(x, rng.integers(0, shape[-1], (*shape[:-1], 1)), 0.0, axis=-1)
    return x


def _stagnation(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """1, and then many exponentials below one rounding of it, each ignored by a running sum in float32 or float64."""
    x = np.full(shape, np.log(rng.choice((0.999, 0.5)) * rng.choice((2.0**-24, 2.0**-53))))
    x[..., :1] = 0.0
    return x


def _near_one(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """One logit so far above the rest that their exponentials together are from 1/20 down to nothing beside its own."""
    return _one_dominant(rng, shape, np.log(shape[-1]) + rng.uniform(3.0, 40.0))


def _ramp(rng: np.random.Generator, shape: tuple[int, ...], sign: float) -> Floats:
    """Equal steps from one end of the row to the other."""
    return np.broadcast_to(sign * rng.choice((1.0, 20.0, 100.0)) * np.linspace(0.0, 1.0, shape[-1]), shape)


# The styles of the campaign that docs/figures.md reports; classes of -inf are drawn by `logit_arrays`.
STYLES = {
    "normal": Style(_normal),
    "wide": Style(lambda rng, shape: rng.uniform(-100.0, 100.0, shape)),
    "equal": Style(lambda rng, shape: np.full(shape, rng.normal())),
    "ties": Style(lambda rng, shape: rng.integers(-2, 3, shape).astype(np.float64)),
    "gap 8": Style(lambda rng, shape: _one_dominant(rng, shape, 8.0)),
    "gap 17": Style(lambda rng, shape: _one_dominant(rng, shape, 17.0)),
    "gap 89": Style(lambda rng, shape: _one_dominant(rng, shape, 89.0)),
    "gap 104": Style(lambda rng, shape: _one_dominant(rng, shape, 104.0)),
    "gap 800": Style(lambda rng, shape: _one_dominant(rng, shape, 800.0)),
    "two levels": Style(_two_levels),
    "spread": Style(_spread),
    "near underflow": Style(_near_underflow),
    "stagnation": Style(_stagnation),
    "near 1": Style(_near_one),
    "ramp up": Style(lambda rng, shape: _ramp(rng, shape, 1.0)),
    "ramp down": Style(lambda rng, shape: _ramp(rng, shape, -1.0)),
    "tiny": Style(lambda rng, shape: rng.normal(0.0, 1e-30, shape)),
    "up to 3e38": Style(lambda rng, shape: rng.uniform(-3e38, 3e38, shape), largest=3e38),
    "up to 1e300": Style(lambda rng, shape: rng.uniform(-1e300, 1e300, shape), largest=1e300),
    "offset 1e2": Style(lambda rng, shape: _normal(rng, shape) + 1e2),
    "offset 1e4": Style(lambda rng, shape: _normal(rng, shape) - 1e4),
    "offset 1e8": Style(lambda rng, shape: _normal(rng, shape, 30.0) + 1e8, precision=24),
    "Laplace": Style(lambda rng, shape: rng.laplace(0.0, 3.0, shape)),
    "Cauchy": Style(lambda rng, shape: rng.standard_cauchy(shape).clip(-3e4, 3e4)),
}


def styles(dtype: str, *, finite: bool = True) -> list[str]:
    """The names of STYLES in `dtype`; where logits have to be `finite`, so do the distances between them."""
    return [name for name, style in STYLES.items() if style.fits(FORMATS[dtype], finite)]


def _every_row_its_own(rng: np.random.Generator, shape: tuple[int, ...], names: list[str]) -> Floats:
    """A style for each row, so that one problem visits several regions."""
    rows = [STYLES[rng.choice(names)].draw(rng, shape[-1:]) for _ in range(int(np.prod(shape[:-1])))]
    return np.array(rows, np.float64).reshape(shape)


def elements(dtype: str, *, bound: float = 1000.0) -> st.SearchStrategy[float]:
    """Finite numbers of `dtype` of magnitude at most `bound`, subnormals among them."""
    fmt = FORMATS[dtype]
    width = {"float64": 64, "float32": 32, "bfloat16": 32, "float16": 16}[dtype]
    numbers = st.floats(-bound, bound, allow_nan=False, width=width)  # type: ignore[arg-type]  # width is a Literal
    return numbers.map(lambda x: float(fmt.round(x))) if dtype == "bfloat16" else numbers


@st.composite
def _by_elements(draw: st.DrawFn, shape: tuple[int, ...], dtype: str, bound: float = 1000.0) -> Floats:
    size = int(np.prod(shape))
    drawn = st.lists(elements(dtype, bound=bound), min_size=size, max_size=size)
    return np.array(draw(drawn), np.float64).reshape(shape)


def _elementwise(draw: st.DrawFn, shape: tuple[int, ...], small: bool) -> bool:
    return small or (draw(st.booleans()) and int(np.prod(shape)) <= SMALL)


@st.composite
def float_arrays(
    draw: st.DrawFn, shape: tuple[int, ...], dtype: str, *, axis: int = -1, small: bool = False, finite: bool = True
) -> Floats:
    """An array of `dtype` numbers: element by element when small, else one of STYLES along `axis` from a seed."""
    if _elementwise(draw, shape, small):
        return draw(_by_elements(shape, dtype))
    names = styles(dtype, finite=finite)
    mixed = draw(st.sampled_from((False, True, True)))
    style = None if mixed else draw(st.sampled_from(names))
    rng = np.random.default_rng(draw(seeds()))
    moved = tuple(np.moveaxis(np.empty(shape, bool), axis, -1).shape)
    x = STYLES[style].draw(rng, moved) if style else _every_row_its_own(rng, moved, names)
    return FORMATS[dtype].round(np.moveaxis(x, -1, axis))


def seeds() -> st.SearchStrategy[int]:
    """Seeds for deterministic expansion; they shrink towards 0."""
    return st.integers(0, 2**32 - 1)


@st.composite
def logit_arrays(
    draw: st.DrawFn, shape: tuple[int, ...], dtype: str, *, axis: int, small: bool = False, finite: bool = True
) -> Floats:
    """Logits: as `float_arrays`, or with some classes masked by -inf, never a whole row."""
    x = draw(float_arrays(shape, dtype, axis=axis, small=small, finite=finite))
    if x.size and shape[axis] > 1 and draw(st.integers(0, 4)) == 4:
        rng = np.random.default_rng(draw(seeds()))
        masked = rng.random(shape) < rng.random()
        np.put_along_axis(masked, np.expand_dims(x.argmax(axis), axis), False, axis=axis)
        x = np.where(masked, -np.inf, x)
    return x


@st.composite
def upstream_gradients(draw: st.DrawFn, shape: tuple[int, ...], dtype: str, *, small: bool = False) -> Floats:
    """Upstream gradients: different for every element, all alike, one-hot, or zero; small and large ones among them."""
    most = 1024.0 if FORMATS[dtype].largest > 1e30 else 8.0  # products of a few factors stay inside float16
    if _elementwise(draw, shape, small):
        return draw(_by_elements(shape, dtype, bound=most))
    style = draw(st.sampled_from(("different", "alike", "one-hot", "zero")))
    rng = np.random.default_rng(draw(seeds()))
    scale = draw(st.sampled_from((1.0, 0.0078125, most)))
    if style == "different":
        return FORMATS[dtype].round(scale * rng.normal(size=shape))
    if style == "alike":
        return FORMATS[dtype].round(np.full(shape, scale * rng.normal()))
    gradient = np.zeros(shape)
    if style == "one-hot" and gradient.size:
        gradient.flat[rng.integers(gradient.size)] = scale
    return gradient


@st.composite
def factors(draw: st.DrawFn, shape: tuple[int, ...], dtype: str, *, small: bool = False) -> Floats:
    """Entries of a matrix: moderate, so that products stay inside the range of every format."""
    most = 16.0 if FORMATS[dtype].precision >= 24 else 1.0  # half precision keeps no digit of larger logits
    if _elementwise(draw, shape, small):
        return draw(_by_elements(shape, dtype, bound=most))
    rng = np.random.default_rng(draw(seeds()))
    return FORMATS[dtype].round(draw(st.sampled_from((most / 16, most / 2))) * rng.normal(size=shape))


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
    operation: str, dtype: str, *, supports: frozenset[str] | None = None, small: bool = False
) -> st.SearchStrategy[Problem]:
    """Problems of one operation in one dtype.

    Args:
        operation: a key of `softproof.OPERATIONS`.
        dtype: a format, such as ``"float32"``.
        supports: the optional inputs and options that may be drawn; by default all.
        small: at most three classes and two rows, drawn element by element: the witnesses that people like to read.
    Returns: a Hypothesis strategy for `Problem`; logits are finite, or -inf for some but not all classes of a row.
    Raises: ValueError for an unknown operation, dtype or option.

    >>> from hypothesis import find
    >>> find(problems("softmax", "float32", small=True), lambda problem: True).inputs["logits"]
    array([0.], dtype=float32)
    """
    if operation not in OPERATIONS:
        raise ValueError(f"operation is {operation!r}; expected one of {', '.join(OPERATIONS)}")
    if dtype not in FORMATS:
        raise ValueError(f"dtype is {dtype!r}; expected one of {', '.join(FORMATS)}")
    extras = frozenset(OPERATIONS[operation].extras)
    if unknown := (supports or extras) - extras:
        raise ValueError(f"supports names {', '.join(sorted(unknown))}; {operation} has {', '.join(sorted(extras))}")
    return _STRATEGIES[operation](_Question(operation, dtype, extras if supports is None else supports, small))


@dataclass(frozen=True)
class _Question:
    """What is asked for; every strategy below takes one."""

    operation: str
    dtype: str
    extras: frozenset[str]
    small: bool

    def widths(self, most: int = 129) -> st.SearchStrategy[int]:
        kinds = WIDTHS[:1] if self.small else WIDTHS
        return st.one_of([st.sampled_from(kind) for kind in kinds if kind[-1] <= most])

    def rows(self) -> st.SearchStrategy[int]:
        return st.sampled_from((1, 2, 0) if self.small else (1, 2, 3, 5, 8, 9, 0))

    def batches(self) -> tuple[str, ...]:
        """How the rows of logits are arranged."""
        kinds = ("batch", "batch", "spatial", "unbatched")
        return kinds if "unbatched" in self.extras else kinds[:3]

    def layouts(self) -> st.SearchStrategy[str]:
        return st.sampled_from(LAYOUTS)

    def floats(self, shape: tuple[int, ...], axis: int = -1) -> st.SearchStrategy[Floats]:
        return float_arrays(shape, self.dtype, axis=axis, small=self.small)

    def logits(self, shape: tuple[int, ...], axis: int) -> st.SearchStrategy[Floats]:
        finite = self.operation == "cross_entropy"  # of losses that overflow a class weight may make numbers again
        return logit_arrays(shape, self.dtype, axis=axis, small=self.small, finite=finite)

    def upstream(self, shape: tuple[int, ...]) -> st.SearchStrategy[Floats]:
        return upstream_gradients(shape, self.dtype, small=self.small)

    def tangents(self, shape: tuple[int, ...]) -> st.SearchStrategy[Floats | None]:
        """A direction of the logits in a third of the problems, where somebody has derivatives in a direction."""
        asked: st.SearchStrategy[bool] = st.sampled_from((False, False, True))
        asked = asked if self.extras & set(DIRECTIONAL) else st.just(False)
        return asked.flatmap(lambda is_asked: self.upstream(shape) if is_asked else st.none())

    def factors(self, shape: tuple[int, ...]) -> st.SearchStrategy[Floats]:
        return factors(shape, self.dtype, small=self.small)


@st.composite
def _shapes(draw: st.DrawFn, question: _Question) -> tuple[tuple[int, ...], int]:
    """A shape of one to four dimensions and one of its axes, which has at least one element."""
    others = draw(st.lists(question.rows(), max_size=1 if question.small else 3))
    dim = draw(st.integers(-len(others) - 1, len(others))) if "dim" in question.extras else -1
    others.insert(dim if dim >= 0 else len(others) + 1 + dim, draw(question.widths()))
    return tuple(others), dim


def _dim_option(question: _Question, dim: int) -> dict[str, Any]:
    return {"dim": dim} if "dim" in question.extras else {}


@st.composite
def _softmax_problems(draw: st.DrawFn, question: _Question) -> Problem:
    shape, dim = draw(_shapes(question))
    logits = draw(question.logits(shape, dim))
    rows = tuple(np.delete(shape, dim)) if question.operation == "logsumexp" else shape
    upstream = draw(question.upstream(rows)) if has_gradient(question.operation, logits) else None
    tangent = draw(question.tangents(shape)) if has_gradient(question.operation, logits) else None
    options, layout = _dim_option(question, dim), draw(question.layouts())
    return Problem(question.operation, question.dtype, {"logits": logits}, options, upstream, layout, tangent)


def has_gradient(operation: str, logits: Floats) -> bool:
    """Whether a bound promises anything: not of exp(x - logsumexp(x)), where x - logsumexp(x) has no correct digit."""
    return operation != "logsumexp" or bool((np.abs(logits[np.isfinite(logits)]) < 1e9).all())


@st.composite
def _distribution_problems(draw: st.DrawFn, question: _Question) -> Problem:
    shape, dim = draw(_shapes(question))
    names = OPERATIONS[question.operation].inputs
    inputs = {name: draw(distributions(shape, question.dtype, axis=dim)) for name in names}
    options, layout = _dim_option(question, dim), draw(question.layouts())
    positive = all((p > 0).all() for p in inputs.values())  # no document fixes the slopes at 0
    upstream = draw(question.upstream(tuple(np.delete(shape, dim)))) if positive else None
    return Problem(question.operation, question.dtype, inputs, options, upstream, layout)


@st.composite
def _linear_problems(draw: st.DrawFn, question: _Question) -> Problem:
    batch = tuple(draw(st.lists(question.rows(), max_size=2)))
    features, classes = draw(question.widths(most=17)), draw(question.widths(most=17))
    inputs = {
        "input": draw(question.factors((*batch, features))),
        "weight": draw(question.factors((classes, features))),
    }
    if "bias" in question.extras and draw(st.booleans()):
        inputs["bias"] = draw(question.factors((classes,)))
    upstream, layout = draw(question.upstream((*batch, classes))), draw(question.layouts())
    return Problem(question.operation, question.dtype, inputs, {}, upstream, layout)


@st.composite
def _losses(
    draw: st.DrawFn, question: _Question, shape: tuple[int, ...]
) -> tuple[dict[str, Array], dict[str, Any], Floats]:
    """Target, class weights, options and upstream gradient for logits of `shape`: (C,), (N, C) or (N, C, d1, …)."""
    axis = 0 if len(shape) == 1 else 1
    classes, rows = shape[axis], tuple(np.delete(shape, axis))
    inputs: dict[str, Array] = {}
    options: dict[str, Any] = {}
    if "reduction" in question.extras:
        options["reduction"] = draw(st.sampled_from(("mean", "sum", "none", "none")))
    if "label_smoothing" in question.extras and (epsilon := draw(st.sampled_from((0.0, 0.1, 0.0, 0.5, 1.0, 1e-3)))):
        options["label_smoothing"] = epsilon
    if "weight" in question.extras and draw(st.sampled_from((False, True, True))):
        inputs["weight"] = draw(class_weights(classes, question.dtype))
    kinds = ("labels", "labels", "probabilities") if "probabilities" in question.extras else ("labels",)
    if draw(st.sampled_from(kinds)) == "probabilities":
        inputs["target"] = draw(distributions(shape, question.dtype, axis=axis))
    else:
        rng = np.random.default_rng(draw(seeds()))
        inputs["target"] = rng.integers(0, classes, rows)
        if "ignore_index" in question.extras and (share := draw(st.sampled_from((0.0, 0.3, 0.3, 0.6, 1.0)))):
            ignore_index = draw(st.sampled_from((-100, -1, 0, classes - 1, 255)))
            options |= {"ignore_index": ignore_index} if ignore_index != -100 else {}
            inputs["target"] = np.where(rng.random(rows) < share, ignore_index, inputs["target"])
    upstream = draw(question.upstream(rows if options.get("reduction") == "none" else ()))
    return inputs, options, upstream


@st.composite
def class_weights(draw: st.DrawFn, classes: int, dtype: str) -> Floats:
    """Positive class weights."""
    rng = np.random.default_rng(draw(seeds()))
    return FORMATS[dtype].round(rng.uniform(0.1, 4.0, classes))


def _masks_are_specified(inputs: dict[str, Array], options: dict[str, Any]) -> bool:
    """Whether a -inf logit has one answer: a coefficient of 0 that meets it is 0·inf, which no document fixes."""
    return inputs["target"].dtype == np.int64 and options.get("label_smoothing") != 1.0


@st.composite
def _cross_entropy_problems(draw: st.DrawFn, question: _Question) -> Problem:
    classes, kind = draw(question.widths()), draw(st.sampled_from(question.batches()))
    spatial = draw(st.lists(question.rows(), min_size=1, max_size=2)) if kind == "spatial" else ()
    shape = (classes,) if kind == "unbatched" else (draw(question.rows()), classes, *spatial)
    extra, options, upstream = draw(_losses(question, shape))
    arrays = question.logits if _masks_are_specified(extra, options) else question.floats
    inputs = {"logits": draw(arrays(shape, 0 if kind == "unbatched" else 1))} | extra
    layout, tangent = draw(question.layouts()), draw(question.tangents(shape))
    return Problem(question.operation, question.dtype, inputs, options, upstream, layout, tangent)


@st.composite
def _linear_cross_entropy_problems(draw: st.DrawFn, question: _Question) -> Problem:
    batches = st.tuples(question.rows())
    batch = draw(st.one_of(batches, st.just(())) if "unbatched" in question.extras else batches)
    features, classes = draw(question.widths(most=17)), draw(question.widths(most=17))
    inputs: dict[str, Array] = {
        "input": draw(question.factors((*batch, features))),
        "linear_weight": draw(question.factors((classes, features))),
    }
    if "linear_bias" in question.extras and draw(st.booleans()):
        inputs["linear_bias"] = draw(question.factors((classes,)))
    extra, options, upstream = draw(_losses(question, (*batch, classes)))
    return Problem(question.operation, question.dtype, inputs | extra, options, upstream, draw(question.layouts()))


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
