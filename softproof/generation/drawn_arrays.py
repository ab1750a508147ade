"""Strategies for single arrays: logits, upstream gradients, factors, distributions, class weights."""

from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import strategies as st

from ..problem.formats import FORMATS, Floats, Format
from ..problem.problem import Array
from .logit_styles import STYLES, every_row_its_own, styles
from .masks import runs_along

SMALL = 12  # arrays of at most this many elements are drawn element by element


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


FIRST = {"first 1": 1.0, "first 0": 0.0}  # styles of upstream gradients, and the first of them


NEAR_OVERFLOW = "near overflow"  # a style, too


def near_overflow(fmt: Format, size: int) -> float:
    """So large that so many of them, times a few small factors, are still numbers of the format, and not much more."""
    left = 64 if fmt.largest > 1e300 else 8  # the truth of float64 has no wider format
    return float(2.0 ** (np.floor(np.log2(fmt.largest)) - left - np.ceil(np.log2(max(1, size)))))


def upstream_gradients(
    draw: st.DrawFn, shape: tuple[int, ...], dtype: str, *, small: bool = False, style: str = ""
) -> Floats:
    """Upstream gradients: different for every element, all alike, one-hot, or zero; from next to the smallest number up
    to the root of the largest, and near to that itself. Where they differ the first may be 1 or 0, which is not for a
    shortcut to conclude from.
    """
    fmt = FORMATS[dtype]
    most = 1024.0 if fmt.largest > 1e30 else 8.0  # products of a few factors stay inside float16
    first = FIRST.get(style)
    if first is None and not style and _elementwise(draw, shape, small):
        return _by_elements(draw, shape, dtype, bound=most)
    style = (
        "different"
        if first is not None
        else style or draw(st.sampled_from(("different", "different", "alike", "alike", "one-hot", "zero")))
    )
    rng = np.random.default_rng(draw(seeds()))
    near = near_overflow(fmt, int(prod(shape)))
    ends = (2.0 ** (np.log2(fmt.largest) // 2), fmt.tiny * 2.0**20, near)
    scale = draw(st.sampled_from((1.0, most, *ends) if fmt.largest > 1e30 else (1.0, most, near)))
    if style == NEAR_OVERFLOW:
        style, scale = "different", near
    if style == "different":
        found = fmt.round(scale * rng.normal(size=shape))
        if first is not None and found.size:
            found.flat[0] = first
        return found
    if style == "alike":
        return fmt.round(np.full(shape, scale * rng.normal()))
    gradient = np.zeros(shape)
    if style == "one-hot" and gradient.size:
        gradient.flat[rng.integers(gradient.size)] = scale
    return gradient


def root_of_largest(fmt: Format) -> float:
    """About the root of the largest number; of float64, whose bounds have no wider format, less."""
    return float(2.0 ** (np.log2(fmt.largest) // 2 - (32 if fmt.largest > 1e300 else 0)))


def factors(draw: st.DrawFn, shape: tuple[int, ...], dtype: str, *, small: bool = False, kind: str = "") -> Floats:
    """Entries of a matrix: moderate, so that products stay inside the range of every format.

    Or, as `kind` says, small "whole" numbers, of which the first of each row is so large that products are far from 0,
    and exact; or so large that some products are "beyond" the largest number, or not far from it.
    """
    fmt = FORMATS[dtype]
    most = 16.0 if fmt.precision >= 24 else 1.0  # half precision keeps no digit of larger logits
    if not kind and _elementwise(draw, shape, small):
        return _by_elements(draw, shape, dtype, bound=most)
    rng = np.random.default_rng(draw(seeds()))
    if kind == "whole":
        x = rng.integers(-1, 2, shape).astype(np.float64)
        x[..., :1] = 2.0 ** (min(12, fmt.precision - 2) // 2)
        return x
    if kind == "beyond":
        return fmt.round(2.0 * root_of_largest(fmt) * rng.normal(size=shape))
    return fmt.round(draw(st.sampled_from((most / 16, most / 2))) * rng.normal(size=shape))


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


def drawn_class_weights(draw: st.DrawFn, classes: int, dtype: str, *, negative: bool = False) -> Floats:
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
