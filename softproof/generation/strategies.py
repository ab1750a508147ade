"""Hypothesis strategies for Problems.

Structure is drawn (shape, style, seed, options, layout) and expanded to arrays deterministically; it is the structure
that shrinks. Small arrays are drawn element by element, so that a counterexample shrinks to a minimal one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import prod
from typing import Any

import hypothesis
import numpy as np
from hypothesis import strategies as st

from ..problem.formats import FORMATS, Floats
from ..problem.interface import check_dimensions, check_option
from ..problem.operations import DIRECTIONAL, OPERATIONS, reductions, value_shape
from ..problem.problem import COMMON_LAYOUTS, LAYOUTS, Array, Problem
from ..problem.rows import Axis, from_rows
from ..problem.validation import check_flag, check_mapping, check_name, check_names
from .coverage import regions
from .logit_styles import STYLES, every_row_its_own, styles
from .masks import CHUNKS, RUN, run_of_rows, runs_along
from .seeded import by_seed_alone
from .steering import Settings, settings_of

# around vectors, warps, tiles and blocks; the fewer, the wider
WIDTHS = ((1, 2, 3), (4, 5, 7, 8, 9), (15, 16, 17), (31, 32, 33), (64, 65, 127, 129), (255, 257, 513, 780, 1025))
ROWS = (1, 2, 3, 5, 8, 9, 0, 4, 7, 12)
SMALL = 12  # arrays of at most this many elements are drawn element by element
MOST = 1 << 15  # elements of what is drawn; `large_problems` have more


# ---- arrays ---------------------------------------------------------------------------------------------------------


def elements(dtype: str, *, bound: float = 1000.0) -> st.SearchStrategy[float]:
    """Finite numbers of `dtype` of magnitude at most `bound`, subnormals among them."""
    fmt = FORMATS[dtype]
    width = {"float64": 64, "float32": 32, "bfloat16": 32, "float16": 16}[dtype]
    numbers = st.floats(-bound, bound, allow_nan=False, width=width)  # type: ignore[arg-type]  # width is a Literal
    return numbers.map(lambda x: float(fmt.round(x))) if dtype == "bfloat16" else numbers


def _by_elements(draw: st.DrawFn, shape: tuple[int, ...], dtype: str, bound: float = 1000.0) -> Floats:
    size = int(prod(shape))  # which may be NumPy's
    drawn = st.lists(elements(dtype, bound=bound), min_size=size, max_size=size)
    return np.array(draw(drawn), np.float64).reshape(shape)


def _elementwise(draw: st.DrawFn, shape: tuple[int, ...], small: bool) -> bool:
    return small or (draw(st.booleans()) and prod(shape) <= SMALL)


def float_arrays(
    draw: st.DrawFn, shape: tuple[int, ...], dtype: str, *, axis: int = -1, small: bool = False, finite: bool = True
) -> Floats:
    """An array of `dtype` numbers: element by element when small, else one of STYLES along `axis` from a seed."""
    if _elementwise(draw, shape, small):
        return _by_elements(draw, shape, dtype)
    names = styles(dtype, finite=finite)
    mixed = draw(st.sampled_from((False, True, True)))
    style = None if mixed else draw(st.sampled_from(tuple(names)))
    rng = np.random.default_rng(draw(seeds()))
    moved = tuple(np.moveaxis(np.empty(shape, bool), axis, -1).shape)
    x = STYLES[style].draw(rng, moved) if style else every_row_its_own(rng, moved, names)
    return FORMATS[dtype].round(np.moveaxis(x, -1, axis))


def seeds() -> st.SearchStrategy[int]:
    """Seeds for deterministic expansion; they shrink towards 0."""
    return st.integers(0, 2**32 - 1)


def logit_arrays(
    draw: st.DrawFn,
    shape: tuple[int, ...],
    dtype: str,
    *,
    axis: int,
    small: bool = False,
    finite: bool = True,
    masks: str = "",
) -> Floats:
    """Logits: as `float_arrays`, or with classes masked by -inf, some or a block, never a whole row.

    Where distances may overflow the lowest number masks as well, some rows as a whole. `masks` says "none", "some",
    "runs" or "lowest"; by default it is drawn.
    """
    x = float_arrays(draw, shape, dtype, axis=axis, small=small, finite=finite)
    if x.size and shape[axis] > 1 and (masks != "none" if masks else draw(st.integers(0, 3)) == 3):
        rng = np.random.default_rng(draw(seeds()))
        masked = runs_along(rng, shape, axis) if masks == "runs" else _mask(rng, shape, axis)
        if not finite and (masks == "lowest" or rng.random() < 0.5):
            whole = rng.random(np.expand_dims(x.take(0, axis), axis).shape) < 0.5
            return np.where(masked | whole, -FORMATS[dtype].largest, x)
        everything, first = masked.all(axis, keepdims=True), np.expand_dims(x.argmax(axis), axis)
        np.put_along_axis(masked, first, np.take_along_axis(masked, first, axis) & ~everything, axis=axis)
        x = np.where(masked, -np.inf, x)
    return x


def _mask(rng: np.random.Generator, shape: tuple[int, ...], axis: int) -> Array:
    """Classes that are masked: here and there; in a run; or all up to one of them, or from there on."""
    share, scattered, kind = rng.random(), rng.random(shape), rng.integers(4)
    if kind == 0:
        return scattered < share
    if kind < 3:
        return runs_along(rng, shape, axis)
    place = np.arange(shape[axis]).reshape([-1 if each == axis % len(shape) else 1 for each in range(len(shape))])
    block = place < share * shape[axis] if rng.random() < 0.5 else place >= share * shape[axis]
    return np.broadcast_to(block, shape).copy()


# What a whole row can be that has no softmax, or one in the limit alone; the elements are repeated along it.
STRANGE_ROWS = {
    "-inf alone": (-np.inf,),
    "one +inf": (np.inf, *(0.0,) * 4096),
    "two +inf": (np.inf, np.inf, *(0.0,) * 4096),
    "NaN": (0.0, np.nan),
}


def with_strange_rows(draw: st.DrawFn, x: Floats, axis: int, where: Array | None = None, *, kind: str = "") -> Floats:
    """x with rows that are not finite: one of them, or all that `where` names, whose axis of classes has length 1."""
    if not x.size or (where is not None and not where.any()):
        return x
    row = np.resize(STRANGE_ROWS[kind or draw(st.sampled_from(sorted(STRANGE_ROWS)))], x.shape[axis])
    rows = np.moveaxis(x, axis, -1).copy()
    if where is None:
        rows.reshape(-1, rows.shape[-1])[draw(st.integers(0, x.size // x.shape[axis] - 1))] = row
    else:
        rows[np.moveaxis(where, axis, -1)[..., 0]] = row
    return np.moveaxis(rows, -1, axis)


def upstream_gradients(
    draw: st.DrawFn, shape: tuple[int, ...], dtype: str, *, small: bool = False, style: str = ""
) -> Floats:
    """Upstream gradients: different for every element, all alike, one-hot, or zero; from next to the smallest number up
    to the root of the largest.
    """
    fmt = FORMATS[dtype]
    most = 1024.0 if fmt.largest > 1e30 else 8.0  # products of a few factors stay inside float16
    if not style and _elementwise(draw, shape, small):
        return _by_elements(draw, shape, dtype, bound=most)
    style = style or draw(st.sampled_from(("different", "different", "alike", "alike", "one-hot", "zero")))
    rng = np.random.default_rng(draw(seeds()))
    ends = (2.0 ** (np.log2(fmt.largest) // 2), fmt.tiny * 2.0**20)
    scale = draw(st.sampled_from((1.0, most, *ends) if fmt.largest > 1e30 else (1.0, most)))
    if style == "different":
        return fmt.round(scale * rng.normal(size=shape))
    if style == "alike":
        return fmt.round(np.full(shape, scale * rng.normal()))
    gradient = np.zeros(shape)
    if style == "one-hot" and gradient.size:
        gradient.flat[rng.integers(gradient.size)] = scale
    return gradient


def factors(draw: st.DrawFn, shape: tuple[int, ...], dtype: str, *, small: bool = False) -> Floats:
    """Entries of a matrix: moderate, so that products stay inside the range of every format."""
    most = 16.0 if FORMATS[dtype].precision >= 24 else 1.0  # half precision keeps no digit of larger logits
    if _elementwise(draw, shape, small):
        return _by_elements(draw, shape, dtype, bound=most)
    rng = np.random.default_rng(draw(seeds()))
    return FORMATS[dtype].round(draw(st.sampled_from((most / 16, most / 2))) * rng.normal(size=shape))


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
        raise ValueError(f"layouts is {layouts!r}; expected at least one of {', '.join(LAYOUTS)}")
    for name, value in check_mapping("fixed", {} if fixed is None else fixed, "{'reduction': 'none'}").items():
        check_option(name, value)
    ndim = check_dimensions(ndim)
    known = {name: value for name, value in (fixed or {}).items() if name in OPERATIONS[operation].options}
    extras = supports - known.keys()
    question = _Question(operation, dtype, extras, small, tuple(layouts), known, frozenset(ndim), settings_of(towards))
    if not any(question.may_have(count) for count in _DIMENSIONS[operation]):
        raise ValueError(
            f"ndim is {sorted(ndim)}, fixed is {known}; "
            f"{operation} has {', '.join(map(str, _DIMENSIONS[operation]))} dimensions"
        )
    if operation == "cross_entropy" and not question.batches():
        raise ValueError(f"ndim is {sorted(ndim)}, which is a loss without a batch, and unbatched is left out")
    return by_seed_alone(_STRATEGIES[operation](question).map(_with_events))


def _with_events(problem: Problem) -> Problem:
    for region in regions(problem):
        hypothesis.event(region)
    return problem


@dataclass(frozen=True)
class _Question:
    """What is asked for; every strategy below takes one."""

    operation: str
    dtype: str
    extras: frozenset[str]
    small: bool
    known_layouts: tuple[str, ...]
    fixed: dict[str, Any]
    ndim: frozenset[int]
    settings: Settings = field(default_factory=dict)

    def pick(self, draw: st.DrawFn, name: str, may: Sequence[Any]) -> Any:
        """What is set by that name, if it is one of what may be; else one of these, drawn."""
        return self.settings[name] if self.settings.get(name) in may else draw(st.sampled_from(may))

    def happens(self, draw: st.DrawFn, name: str, most: int) -> bool:
        """Whether something happens, as is set by that name, or as one of the numbers up to `most` is drawn."""
        return bool(self.settings[name]) if name in self.settings else draw(st.integers(0, most)) == most

    def may_have(self, dimensions: int) -> bool:
        """Whether the array of rows may have so many dimensions: all may, or those that are named and have the axis."""
        if not dimensions and "scalars" not in self.extras:
            return False
        dim, most = self.fixed.get("dim", -1), max(1, dimensions)
        return -most <= dim < most and (not self.ndim or dimensions in self.ndim)

    def others(self, draw: st.DrawFn, sizes: st.SearchStrategy[int], most: int) -> list[int]:
        """The sizes of dimensions besides one, up to `most` of them."""
        if not self.ndim and "dim" not in self.fixed:
            return draw(st.lists(sizes, max_size=most))
        counts = [count for count in range(4) if self.may_have(count + 1)]
        count = draw(st.sampled_from([count for count in counts if count <= most] or counts[:1]))
        return draw(st.lists(sizes, min_size=count, max_size=count))

    def widths(self, most: int = 1025) -> st.SearchStrategy[int]:
        if max(self.settings.get("widths", ()), default=most + 1) <= most:
            return st.sampled_from(self.settings["widths"])
        return _widths(WIDTHS[:1] if self.small else WIDTHS, most)

    def rows(self, *others: int, chunks: bool = False) -> st.SearchStrategy[int]:
        """A number of rows; sometimes that of another dimension, so that mistaking one for the other fits."""
        found = (*ROWS, *(other for other in others if other < 40), *(CHUNKS if chunks else ()))
        if self.small:
            found = (1, 2, 0, *others)
        elif max(others, default=0) > 200:
            found = (1, 2, 3, 0)
        found = self.settings.get("rows", found)
        return st.sampled_from(tuple(count for count in found if count or "empty" in self.extras))

    def positions(self, draw: st.DrawFn, classes: int) -> tuple[int, ...]:
        """In a quarter of the problems what a classifier has a weight for each of, one or two dimensions of them."""
        if "k_dimensional" not in self.extras or draw(st.integers(0, 3)) < 3:
            return ()
        few = min(classes, 9)  # as many as classes, so that mistaking one for the other fits
        sizes = st.sampled_from([size for size in (2, few, 3, few, 1, 0) if size or "empty" in self.extras])
        return tuple(draw(st.lists(sizes, min_size=1, max_size=2)))

    def wide(self, draw: st.DrawFn, most: int = 640) -> int:
        """A size above 17 from a log-uniform distribution, or beside a power of two, where tiles end."""
        if draw(st.booleans()):
            return (1 << draw(st.integers(5, int(np.log2(most))))) + draw(st.integers(-1, 1))
        return int(2.0 ** draw(st.floats(np.log2(18), np.log2(most))))

    def square(self, draw: st.DrawFn, classes: int) -> bool:
        """Whether there are to be as many rows as classes, in a sixth of the problems, with labels for each."""
        return classes < 40 and self.happens(draw, "square", 5)

    def strange(self, draw: st.DrawFn) -> bool:
        """Whether a row that is not finite is to be planted, in a third of the problems."""
        return "nonfinite" in self.extras and self.happens(draw, "strange", 2)

    def rare(self, draw: st.DrawFn) -> str:
        """In a twelfth of the problems each "scalars", a number alone, or "empty_classes", rows of no class."""
        if not any(self.may_have(count) for count in range(1, 5)):
            return "scalars"
        kind = "" if self.small else self.pick(draw, "rare", ("",) * 10 + ("scalars", "empty_classes"))
        may = {"scalars": self.may_have(0), "empty_classes": {"empty", "empty_classes"} <= self.extras}
        return kind if may.get(kind) else ""

    def merged(self, draw: st.DrawFn, shape: tuple[int, ...], dim: int) -> int | tuple[int, ...]:
        """One axis in place of `dim`, or in a third of the problems some of them, where a sum may go over several."""
        if not {"dim", "several_dims"} <= self.extras or draw(st.integers(0, 2)) < 2:
            return dim
        may = [axis for axis in range(len(shape)) if shape[axis] and axis != dim % len(shape)]
        others = draw(st.lists(st.sampled_from(may), unique=True)) if may else []
        signs = [draw(st.booleans()) for _ in others]
        return tuple(draw(st.permutations(
            [dim, *(axis - len(shape) if sign else axis for axis, sign in zip(others, signs, strict=True))]
        )))  # fmt: skip

    def batches(self) -> tuple[str, ...]:
        """How the rows of logits are arranged."""
        kinds = ("batch", "batch", "batch", "spatial", "spatial", "unbatched")
        allowed = {
            "batch": self.may_have(2),
            "spatial": self.may_have(3) or self.may_have(4),
            "unbatched": self.may_have(1) and "unbatched" in self.extras,
        }
        return tuple(kind for kind in kinds if allowed[kind])

    def problem(
        self,
        draw: st.DrawFn,
        inputs: dict[str, Array],
        options: dict[str, Any],
        upstream: Floats | None,
        tangent: Floats | None = None,
    ) -> Problem:
        """The problem, with a layout for each array in four fifths of all cases.

        An array that is to be expanded becomes one row over and over, save logits and distributions of a single row.
        """
        vectors = {"grad_output": upstream, "tangent": tangent}
        arrays = inputs | {name: array for name, array in vectors.items() if array is not None}
        layout = {}
        name, way = self.settings.get("layout", ("", ""))
        if name in arrays and way in self.known_layouts:
            layout = {name: way}
        elif draw(st.integers(0, 4)):
            telling = ("expanded", "strided", "expanded", "strided")  # which autograd, and few others, hand back
            more = {"grad_output": tuple(name for name in telling if name in self.known_layouts)}
            layout = {name: draw(st.sampled_from(self.known_layouts + more.get(name, ()))) for name in arrays}
        expanded = {
            name: _repeated(array, self.axes(name, array, options))
            for name, array in arrays.items()
            if layout.get(name) == "expanded" and name != "tangent"
        }
        inputs = {name: expanded.get(name, array) for name, array in inputs.items()}
        upstream, tangent = expanded.get("grad_output", upstream), expanded.get("tangent", tangent)
        return Problem(self.operation, self.dtype, inputs, options, upstream, layout, tangent)

    def logits(self, draw: st.DrawFn, shape: tuple[int, ...], axis: int) -> Floats:
        finite = self.operation == "cross_entropy"  # of losses that overflow a class weight may make numbers again
        masks = self.settings.get("masks", "")
        return logit_arrays(draw, shape, self.dtype, axis=axis, small=self.small, finite=finite, masks=masks)

    def axes(self, name: str, array: Array, options: dict[str, Any]) -> tuple[int, ...]:
        """The axes along which an array holds a distribution, or its logits, if it does."""
        if name not in ("p", "q", "target", "logits") or array.dtype.kind == "i":
            return ()
        if "cross_entropy" in self.operation and name in ("target", "logits"):
            return (min(array.ndim - 1, 1),)
        dim = options.get("dim", -1)
        return tuple(int(each) % max(1, array.ndim) for each in (dim if isinstance(dim, tuple) else (dim,)))

    def upstream(self, draw: st.DrawFn, shape: tuple[int, ...]) -> Floats:
        style = self.settings.get("upstream", "")
        return upstream_gradients(draw, shape, self.dtype, small=self.small, style=style)

    def tangents(self, draw: st.DrawFn, shape: tuple[int, ...]) -> Floats | None:
        """A direction of the logits in half of the problems, where somebody has derivatives in a direction."""
        if not self.extras & set(DIRECTIONAL) or not draw(st.booleans()):
            return None
        return self.factors(draw, shape)  # which differ, since along a constant nothing changes

    def factors(self, draw: st.DrawFn, shape: tuple[int, ...]) -> Floats:
        return factors(draw, shape, self.dtype, small=self.small)


@cache
def _widths(kinds: tuple[tuple[int, ...], ...], most: int) -> st.SearchStrategy[int]:
    """One of the sizes up to `most`; a kind is as likely as another."""
    return st.one_of([st.sampled_from(kind) for kind in kinds if kind[-1] <= most])


def _repeated(array: Array, kept: tuple[int, ...]) -> Array:
    """One slice of the array over and over, along the first axis that is not to be `kept`."""
    axis = next((axis for axis in range(array.ndim) if axis not in kept), None)
    return array if axis is None or not array.size else np.broadcast_to(array.take([0], axis), array.shape)


def _few(width: int, sizes: Sequence[int]) -> list[int]:
    """Sizes beside a width, the last of them at most 2 where there would be too many elements.

    >>> _few(33, [33, 33, 33])
    [33, 2, 2]
    """
    found = list(sizes)
    for place in reversed(range(len(found))):
        if width * prod(found) > MOST:
            found[place] = min(found[place], 2)
    return found


def _shapes(draw: st.DrawFn, question: _Question) -> tuple[tuple[int, ...], int]:
    """A shape of one to four dimensions and one of its axes, which has at least one element."""
    width = draw(question.widths())
    others = _few(width, question.others(draw, question.rows(width), 1 if question.small or width > 200 else 3))
    dim = question.fixed.get("dim", -1)
    dim = draw(st.integers(-len(others) - 1, len(others))) if "dim" in question.extras else dim
    others.insert(dim if dim >= 0 else len(others) + 1 + dim, width)
    return tuple(others), dim


def _dim_option(question: _Question, dim: Axis) -> dict[str, Any]:
    return {"dim": dim} if "dim" in question.extras or "dim" in question.fixed else {}


@st.composite
def _softmax_problems(draw: st.DrawFn, question: _Question) -> Problem:
    shape, dim = _shapes_of_logits(draw, question)
    logits = _logits(draw, question, shape, dim)
    options = _dim_option(question, dim)
    if "keepdim" in question.fixed or ("keepdim" in question.extras and draw(st.booleans())):
        options["keepdim"] = question.fixed.get("keepdim", True)
    rows = value_shape(Problem(question.operation, question.dtype, {"logits": logits}, {"dim": dim, **options}))
    upstream = question.upstream(draw, rows) if has_gradient(question.operation, logits) else None
    tangent = question.tangents(draw, shape) if has_gradient(question.operation, logits) else None
    return question.problem(draw, {"logits": logits}, options, upstream, tangent)


def _shapes_of_logits(draw: st.DrawFn, question: _Question) -> tuple[tuple[int, ...], Axis]:
    """A shape, and one or several of its axes; rarely a number alone, or an axis without an element."""
    kind = question.rare(draw)
    if kind == "scalars":
        dim = draw(st.sampled_from((0, -1))) if "dim" in question.extras else question.fixed.get("dim", -1)
        return (), question.merged(draw, (1,), dim)
    shape, dim = _shapes(draw, question)
    if kind == "empty_classes":
        shape = tuple(0 if axis == dim % len(shape) else size for axis, size in enumerate(shape))
    return shape, question.merged(draw, shape, dim)


def _logits(draw: st.DrawFn, question: _Question, shape: tuple[int, ...], dim: Axis) -> Floats:
    """Logits along one axis, or along several together."""
    if 0 in shape:
        return np.zeros(shape)
    several = isinstance(dim, tuple) or not shape
    axes = tuple(each % max(1, len(shape)) for each in (dim if isinstance(dim, tuple) else (dim,)))
    others = [size for axis, size in enumerate(shape) if axis not in axes]
    flat, axis = ((*others, prod(shape) // prod(others)), -1) if several else (shape, axes[0])
    logits = question.logits(draw, flat, axis)
    if question.strange(draw):
        logits = with_strange_rows(draw, logits, axis, kind=question.settings.get("row", ""))
    return from_rows(logits, shape, axes if shape else ()) if several else logits


def has_gradient(operation: str, logits: Floats) -> bool:
    """Whether a bound promises anything: not of exp(x - logsumexp(x)), where x - logsumexp(x) has no correct digit."""
    return operation != "logsumexp" or bool((np.abs(logits[np.isfinite(logits)]) < 1e9).all())


def _shares(draw: st.DrawFn, question: _Question, shape: tuple[int, ...], axis: int) -> Floats:
    """Distributions; or rows that do not sum to 1, from twice as much to next to nothing, some of them or all."""
    p = distributions(draw, shape, question.dtype, axis=axis)
    if "unnormalised" not in question.extras or draw(st.integers(0, 2)) < 2:
        return p
    fmt = FORMATS[question.dtype]
    least = 2.0**-40 if fmt.tiny < 1e-30 else 2.0**-6
    scale, rng = draw(st.sampled_from((0.5, 2.0, least))), np.random.default_rng(draw(seeds()))
    rows = np.expand_dims(p.take(0, axis), axis).shape
    return fmt.round(p * np.where(rng.random(rows) < draw(st.sampled_from((0.5, 1.0))), scale, 1.0))


@st.composite
def _distribution_problems(draw: st.DrawFn, question: _Question) -> Problem:
    shape, dim = _shapes(draw, question)
    names = OPERATIONS[question.operation].inputs
    inputs = {name: _shares(draw, question, shape, dim) for name in names}
    upstream = question.upstream(draw, tuple(np.delete(shape, dim)))
    return question.problem(draw, inputs, _dim_option(question, dim), upstream)


def _features_and_classes(draw: st.DrawFn, question: _Question) -> tuple[int, int]:
    """Two sizes, one of which is large in a third of the problems: more than a tile, or several."""
    few, other = draw(question.widths(most=17)), draw(question.widths(most=17))
    if "wide" in question.settings:
        which, sizes = question.settings["wide"]
        return (draw(st.sampled_from(sizes)), few) if which == "features" else (few, draw(st.sampled_from(sizes)))
    if not question.small and draw(st.integers(0, 2)) == 2:
        other = question.wide(draw)
    return (few, other) if draw(st.booleans()) else (other, few)


@st.composite
def _linear_problems(draw: st.DrawFn, question: _Question) -> Problem:
    features, classes = _features_and_classes(draw, question)
    batch = tuple(_few(max(classes, features), question.others(draw, question.rows(classes, features, chunks=True), 2)))
    if (len(batch) == 1 or "square" in question.settings) and question.may_have(2) and question.square(draw, classes):
        batch = (classes,)
    if 0 in batch and draw(st.booleans()):
        classes = 1
    inputs = {
        "input": question.factors(draw, (*batch, features)),
        "weight": question.factors(draw, (classes, features)),
    }
    if "bias" in question.extras and (question.settings.get("bias") or draw(st.booleans())):
        inputs["bias"] = question.factors(draw, (classes,))
    return question.problem(draw, inputs, {}, question.upstream(draw, (*batch, classes)))


def _losses(
    draw: st.DrawFn, question: _Question, shape: tuple[int, ...]
) -> tuple[dict[str, Array], dict[str, Any], Floats]:
    """Target, class weights, options and upstream gradient for logits of `shape`: (C,), (N, C) or (N, C, d1, …)."""
    axis = 0 if len(shape) == 1 else 1
    classes, rows = shape[axis], tuple(np.delete(shape, axis))
    inputs: dict[str, Array] = {}
    options: dict[str, Any] = dict(question.fixed)
    if "reduction" in question.extras:
        options["reduction"] = question.pick(draw, "reduction", reductions(question.extras)[::-1])
    smoothings = (0.0, 0.1, 0.0, 0.5, 1.0, 1e-3)
    if "label_smoothing" in question.extras and (epsilon := question.pick(draw, "smoothing", smoothings)):
        options["label_smoothing"] = epsilon
    kinds = ("labels", "labels", "probabilities") if "probabilities" in question.extras else ("labels",)
    if question.pick(draw, "target", kinds) == "probabilities":
        inputs["target"] = _probabilities(draw, question, shape, axis)
    else:
        inputs["target"] = _labels(draw, classes, rows)
        ignores = "ignore_index" in question.extras or "ignore_index" in question.fixed
        if ignores and (share := question.pick(draw, "share", (0.0, 0.4, RUN, RUN, RUN, RUN, 1.0))):
            ignore_index = question.fixed.get("ignore_index")
            if ignore_index is None:
                ignore_index = question.pick(draw, "ignore_index", (-100, -1, 0, classes - 1, classes, 255))
            options |= {"ignore_index": ignore_index} if ignore_index != -100 else {}
            rng = np.random.default_rng(draw(seeds()))
            ignored = run_of_rows(rng, rows) if share == RUN and rows else rng.random(rows) < min(share, 1.0)
            ignored = _ignored_in_one(draw, ignored) if len(rows) > 1 else ignored
            inputs["target"] = np.where(ignored, ignore_index, inputs["target"])
    if "weight" in question.extras and question.pick(draw, "weight", (False, True, True)):
        weight = class_weights(draw, classes, question.dtype, negative="negative_weights" in question.extras)
        ignored = options.get("ignore_index", -100)
        inputs["weight"] = np.abs(weight) if _nearly_cancel(weight, inputs["target"], ignored) else weight
    upstream = question.upstream(draw, rows if options.get("reduction") == "none" else ())
    return inputs, options, upstream


def _ignored_in_one(draw: st.DrawFn, ignored: Array) -> Array:
    """Of images: here and there in all of them; or in the last one alone, which keeps its last pixel."""
    if not ignored.size or not draw(st.booleans()):
        return ignored
    alone = np.zeros_like(ignored)
    alone[-1] = True
    alone.reshape(-1)[-1] = False
    return alone


def _labels(draw: st.DrawFn, classes: int, rows: tuple[int, ...]) -> Array:
    """Labels: all over the classes, everywhere the first or the last; of many classes also in their second half."""
    few, many = ("any", "any", "first", "last"), ("any", "second half", "second half", "last")
    style = draw(st.sampled_from(many if classes > 256 else few))
    if style in ("first", "last"):
        return np.full(rows, 0 if style == "first" else classes - 1)
    return np.random.default_rng(draw(seeds())).integers(0 if style == "any" else classes // 2, classes, rows)


def _probabilities(draw: st.DrawFn, question: _Question, shape: tuple[int, ...], axis: int) -> Floats:
    """Distributions; or shares that do not sum to 1, some of them negative, to which the same formula applies."""
    q = distributions(draw, shape, question.dtype, axis=axis)
    no_share = question.settings.get("no share", False)
    if "unnormalised" in question.extras and (no_share or draw(st.booleans())):
        rng = np.random.default_rng(draw(seeds()))
        q = q * draw(st.sampled_from((2.0, 0.0, 0.5))) + draw(st.sampled_from((0.0, 0.25))) * rng.normal(size=shape)
        q = FORMATS[question.dtype].round(q)
        if (no_share or draw(st.booleans())) and len(shape) > 1:  # some rows have no probability, as padding
            q = np.where(np.expand_dims(run_of_rows(rng, tuple(np.delete(shape, axis))), axis), 0.0, q)
    return q


def class_weights(draw: st.DrawFn, classes: int, dtype: str, *, negative: bool = False) -> Floats:
    """Class weights: of one size, of many sizes, all alike, some of them 0; some negative if that is wanted."""
    style = draw(st.sampled_from(("one size", "one size", "many sizes", "alike", "zeros", "signs")))
    rng = np.random.default_rng(draw(seeds()))
    if style == "many sizes":
        weight = 2.0 ** rng.uniform(-8.0, 3.0, classes)
    elif style == "alike":
        weight = np.full(classes, draw(st.sampled_from((1.0, 0.5, 3.0))))
    else:
        weight = rng.uniform(0.1, 4.0, classes)
        weight = np.where((style == "zeros") & (rng.random(classes) < 0.4), 0.0, weight)
        weight = np.where((style == "signs") & negative & (rng.random(classes) < 0.5), -np.ceil(weight), weight)
    return FORMATS[dtype].round(weight)


def _nearly_cancel(weight: Floats, target: Array, ignored: int) -> bool:
    """Whether so little is left of the weights of the labels that a bound on their sum promises nothing."""
    if target.dtype.kind != "i" or not (weight < 0).any():
        return False
    kept = weight[target[target != ignored]]
    return 0 < abs(float(kept.sum())) * 16 < float(np.abs(kept).sum())


@st.composite
def _cross_entropy_problems(draw: st.DrawFn, question: _Question) -> Problem:
    classes, kind = draw(question.widths()), question.pick(draw, "kind", question.batches())
    spatial = _spatial(draw, question, classes) if kind == "spatial" else []
    square = kind == "batch" and question.square(draw, classes)
    rows = classes if square else draw(question.rows(classes, *spatial))
    may_chunk = kind == "batch" and not question.settings and not question.small and classes < 200
    if may_chunk and draw(st.integers(0, 2)) == 2:
        rows = draw(st.sampled_from(CHUNKS))
    if kind == "spatial" and question.happens(draw, "fits", 2):
        rows = spatial[0]  # which fits where images are taken for pixels
    rows, *spatial = _few(classes, (rows, *spatial))
    shape = (classes,) if kind == "unbatched" else (rows, classes, *spatial)
    axis = 0 if kind == "unbatched" else 1
    extra, options, upstream = _losses(draw, question, shape)
    logits = question.logits(draw, shape, axis)
    if extra["target"].dtype.kind == "i":
        ignored = np.expand_dims(extra["target"] == options.get("ignore_index", -100), axis)
        extra["target"] = _moved(draw, logits, extra, options.get("ignore_index", -100), axis)
        logits = _with_the_labels(draw, question, logits, extra["target"], ignored, axis)
        if "nonfinite" in question.extras and draw(st.booleans()):
            logits = with_strange_rows(draw, logits, axis, ignored)
    if options.get("reduction") == "none" and question.strange(draw):
        logits = with_strange_rows(draw, logits, axis, kind=question.settings.get("row", ""))
    return question.problem(draw, {"logits": logits} | extra, options, upstream, question.tangents(draw, shape))


def _spatial(draw: st.DrawFn, question: _Question, classes: int) -> list[int]:
    """One or two dimensions more, as of an image."""
    least, most = 1 if question.may_have(3) else 2, 2 if question.may_have(4) else 1
    return draw(st.lists(question.rows(classes), min_size=least, max_size=most))


def _moved(draw: st.DrawFn, logits: Floats, losses: dict[str, Array], ignore_index: int, axis: int) -> Array:
    """Labels of which, in half of the problems, those that are masked are others, so that a masked tile stays one."""
    target, weight = losses["target"], losses.get("weight", np.ones(1))
    if not np.isneginf(logits).any() or (weight < 0).any() or draw(st.booleans()):
        return target
    ignored = np.expand_dims(target == ignore_index, axis)
    own = np.take_along_axis(logits, np.where(ignored, 0, np.expand_dims(target, axis)), axis)
    likely = np.where(np.isneginf(logits), -1.0, np.random.default_rng(draw(seeds())).random(logits.shape))
    if 0 <= ignore_index < logits.shape[axis]:
        np.moveaxis(likely, axis, 0)[ignore_index] = -1.0
    moves = np.isneginf(own) & ~ignored & (likely.max(axis, keepdims=True) >= 0)
    return np.where(moves, np.expand_dims(likely.argmax(axis), axis), np.expand_dims(target, axis)).squeeze(axis)


def _with_the_labels(
    draw: st.DrawFn, question: _Question, logits: Floats, target: Array, ignored: Array, axis: int
) -> Floats:
    """Logits whose labels are masked in a quarter of the problems alone: an infinite loss hides what it is added to."""
    if not np.isneginf(logits).any() or question.happens(draw, "label masked", 3):
        return logits
    labels = np.where(ignored, 0, np.expand_dims(target, axis))
    own = np.take_along_axis(logits, labels, axis)
    unmasked = logits.copy()
    np.put_along_axis(unmasked, labels, np.where(np.isneginf(own), 0.0, own), axis)
    return unmasked


@st.composite
def _linear_cross_entropy_problems(draw: st.DrawFn, question: _Question) -> Problem:
    features, classes = draw(question.widths(most=17)), draw(question.widths(most=17))
    features = classes if draw(st.integers(0, 5)) == 5 else features
    rows = classes if question.square(draw, classes) else draw(question.rows(classes, features, chunks=True))
    unbatched = "unbatched" in question.extras and question.may_have(1) and draw(st.integers(0, 3)) == 3
    unbatched = unbatched or not question.may_have(2)
    batch = () if unbatched else (rows,)
    positions = () if unbatched else question.positions(draw, classes)
    inputs: dict[str, Array] = {
        "input": question.factors(draw, (*batch, features)),
        "linear_weight": question.factors(draw, (classes, *positions, features)),
    }
    if "linear_bias" in question.extras and draw(st.booleans()):
        inputs["linear_bias"] = question.factors(draw, (classes, *positions))
    extra, options, upstream = _losses(draw, question, (*batch, classes, *positions))
    return question.problem(draw, inputs | extra, options, upstream)


_DIMENSIONS = {name: tuple(range("scalars" not in about.kinds, 5)) for name, about in OPERATIONS.items()}
_DIMENSIONS |= {"linear": (1, 2, 3), "linear_cross_entropy": (1, 2)}

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
