"""Strategies for the problems of a loss, of logits and of a linear classifier, and the regions that they have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..problem.formats import FORMATS, Floats
from ..problem.operations import labels_in, reductions
from ..problem.problem import Array, Problem
from .drawn_arrays import distributions, drawn_class_weights, seeds, with_strange_rows
from .masks import CHUNKS, FEWER_BITS, RUN, run_of_rows
from .regions.labels import IMAGES, PADDING
from .regions.linear import OF_CLASSIFIER
from .regions.logits import GAPS, NOT_FINITE
from .regions.shapes import FIVE_DIMENSIONS, POSITIONS, SIZES, layouts
from .regions.targets import OPTIONS, VALUES, mean_of_chunks, pairs
from .regions.upstream import SCALAR, UPSTREAM
from .regions.usual import USUAL_LOSSES
from .request import Request, few


def _losses(
    draw: st.DrawFn, request: Request, shape: tuple[int, ...]
) -> tuple[dict[str, Array], dict[str, Any], Floats]:
    """Target, class weights, options and upstream gradient for logits of `shape`: (C,), (N, C) or (N, C, d1, …)."""
    axis = 0 if len(shape) == 1 else 1
    classes, rows = shape[axis], tuple(np.delete(shape, axis))
    inputs: dict[str, Array] = {}
    options: dict[str, Any] = dict(request.fixed)
    if "reduction" in request.extras:
        options["reduction"] = request.pick(draw, "reduction", reductions(request.extras)[::-1])
    smoothings = (0.0, 0.1, 0.0, 0.5, 1.0, 1e-3)
    if "label_smoothing" in request.extras and (epsilon := request.pick(draw, "smoothing", smoothings)):
        options["label_smoothing"] = epsilon
    kinds: tuple[str, ...] = ("labels", "labels") if labels_in(request.extras) else ()
    kinds += ("probabilities",) if "probabilities" in request.extras else ()
    if request.pick(draw, "target", kinds) == "probabilities":
        inputs["target"] = _probabilities(draw, request, shape, axis)
    else:
        inputs["target"] = _labels(draw, classes, rows, request.settings.get("labels", ""))
        ignores = "ignore_index" in request.extras or "ignore_index" in request.fixed
        if ignores and (share := request.pick(draw, "share", (0.0, 0.4, RUN, RUN, RUN, RUN, 1.0))):
            ignore_index = _ignore_index(draw, request, classes, inputs["target"])
            options |= {"ignore_index": ignore_index} if ignore_index != -100 else {}
            rng, kind = np.random.default_rng(draw(seeds())), request.settings.get("run", "")
            ignored = run_of_rows(rng, rows, kind) if share == RUN and rows else rng.random(rows) < min(share, 1.0)
            ignored = _ignored_in_one(draw, ignored) if len(rows) > 1 else ignored
            inputs["target"] = np.where(ignored, ignore_index, inputs["target"])
        if "all_ignored" not in request.extras:
            inputs["target"], options = with_one_that_counts(inputs["target"], options, request.fixed, classes)
    if "weight" in request.extras and request.pick(draw, "weight", (False, True, True)):
        weight = drawn_class_weights(draw, classes, request.dtype, negative="negative_weights" in request.extras)
        ignored = options.get("ignore_index", -100)
        inputs["weight"] = np.abs(weight) if _nearly_cancel(weight, inputs["target"], ignored) else weight
    upstream = request.upstream(draw, rows if options.get("reduction") == "none" else ())
    return inputs, options, upstream


def _ignore_index(draw: st.DrawFn, request: Request, classes: int, labels: Array) -> int:
    """What names the rows that are ignored: no class, or one; or a number of which 32 bits are those of a label."""
    may = (-100, -1, 0, classes - 1, classes, 255, FEWER_BITS)
    index = request.fixed.get("ignore_index")
    index = request.pick(draw, "ignore_index", may) if index is None else index
    if index != FEWER_BITS:
        return int(index)
    rng = np.random.default_rng(draw(seeds()))
    label = int(labels.flat[rng.integers(labels.size)]) if labels.size else 0
    return label + int(rng.choice((-1, 1))) * 2**32


def with_one_that_counts(
    target: Array, options: Mapping[str, Any], fixed: Mapping[str, Any], classes: int
) -> tuple[Array, dict[str, Any]]:
    """Labels and options; where all rows are ignored the last one is not, if there is another class to give it."""
    index = options.get("ignore_index", -100)
    if not target.size or (target != index).any():
        return target, dict(options)
    if index == 0 and classes == 1 and "ignore_index" not in fixed:
        return target, {name: value for name, value in options.items() if name != "ignore_index"}
    found = target.copy()
    found.reshape(-1)[-1] = 0 if index != 0 else classes - 1
    return found, dict(options)


def _ignored_in_one(draw: st.DrawFn, ignored: Array) -> Array:
    """Of images: here and there in all of them; or in the last one alone, which keeps its last pixel."""
    if not ignored.size or not draw(st.booleans()):
        return ignored
    alone = np.zeros_like(ignored)
    alone[-1] = True
    alone.reshape(-1)[-1] = False
    return alone


def _labels(draw: st.DrawFn, classes: int, rows: tuple[int, ...], style: str = "") -> Array:
    """Labels: all over the classes, everywhere the first or the last; of many classes also towards their end."""
    few, many = ("any", "any", "first", "last"), ("any", "second half", "near the end", "last")
    style = style or draw(st.sampled_from(many if classes > 256 else few))
    if style in ("first", "last"):
        return np.full(rows, 0 if style == "first" else classes - 1)
    rng = np.random.default_rng(draw(seeds()))
    if style == "near the end":  # the nearer, the likelier
        return classes - np.floor(2.0 ** rng.uniform(0, np.log2(classes), rows)).astype(np.int64)
    return rng.integers(0 if style == "any" else classes // 2, classes, rows)


def _probabilities(draw: st.DrawFn, request: Request, shape: tuple[int, ...], axis: int) -> Floats:
    """Distributions; or shares that do not sum to 1, some of them negative, to which the same formula applies."""
    q = distributions(draw, shape, request.dtype, axis=axis)
    no_share = request.settings.get("no share", False)
    if "unnormalised" in request.extras and (no_share or draw(st.booleans())):
        rng = np.random.default_rng(draw(seeds()))
        q = q * draw(st.sampled_from((2.0, 0.0, 0.5))) + draw(st.sampled_from((0.0, 0.25))) * rng.normal(size=shape)
        q = FORMATS[request.dtype].round(q)
        if (no_share or draw(st.booleans())) and len(shape) > 1:  # some rows have no probability, as padding
            q = np.where(np.expand_dims(run_of_rows(rng, tuple(np.delete(shape, axis))), axis), 0.0, q)
    return q


def _nearly_cancel(weight: Floats, target: Array, ignored: int) -> bool:
    """Whether so little is left of the weights of the labels that a bound on their sum promises nothing."""
    if target.dtype.kind != "i" or not (weight < 0).any():
        return False
    kept = weight[target[target != ignored]]
    return 0 < abs(float(kept.sum())) * 16 < float(np.abs(kept).sum())


@st.composite
def cross_entropy(draw: st.DrawFn, request: Request) -> Problem:
    """Of logits."""
    classes, kind = draw(request.widths()), request.pick(draw, "kind", request.batches())
    spatial = _spatial(draw, request, classes) if kind == "spatial" else []
    square = kind == "batch" and request.square(draw, classes)
    rows = classes if square else draw(request.rows(classes, *spatial))
    may_chunk = kind == "batch" and not request.settings and not request.small and classes < 200
    if may_chunk and draw(st.integers(0, 2)) == 2:
        rows = draw(st.sampled_from(CHUNKS))
    if kind == "spatial" and request.happens(draw, "fits", 2):
        rows = spatial[0]  # which fits where images are taken for pixels
    rows, *spatial = few(classes, (rows, *spatial))
    shape = (classes,) if kind == "unbatched" else (rows, classes, *spatial)
    axis = 0 if kind == "unbatched" else 1
    extra, options, upstream = _losses(draw, request, shape)
    logits, index = request.logits(draw, shape, axis), options.get("ignore_index", -100)
    if extra["target"].dtype.kind == "i":
        ignored = np.expand_dims(extra["target"] == index, axis)
        extra["target"] = _moved(draw, logits, extra, index, axis)
        logits = _with_the_labels(draw, request, logits, extra["target"], ignored, axis)
        if {"nonfinite", "ignored_nonfinite"} <= request.extras and draw(st.booleans()):
            logits = with_strange_rows(draw, logits, axis, ignored)
    if options.get("reduction") == "none" and request.strange(draw):
        logits = with_strange_rows(draw, logits, axis, kind=request.settings.get("row", ""))
    if "ignored_nonfinite" not in request.extras:
        logits = _finite_where_ignored(logits, extra["target"], index, axis)
    return request.problem(draw, {"logits": logits} | extra, options, upstream, request.tangents(draw, shape))


def _finite_where_ignored(logits: Floats, target: Array, ignore_index: int, axis: int) -> Floats:
    """With 0 in ignored rows whose largest logit is not finite."""
    if target.dtype.kind != "i" or not logits.size:
        return logits
    ignored = np.expand_dims(target == ignore_index, axis)
    strange = ignored & ~np.isfinite(logits.max(axis, keepdims=True))
    return np.where(strange, logits.dtype.type(0), logits)


def _spatial(draw: st.DrawFn, request: Request, classes: int) -> list[int]:
    """One or two dimensions more, as of an image."""
    least, most = 1 if request.may_have(3) else 2, 2 if request.may_have(4) else 1
    if request.settings.get("others") == 4 and request.may_have(5):
        least = most = 3
    return draw(st.lists(request.rows(classes), min_size=least, max_size=most))


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
    draw: st.DrawFn, request: Request, logits: Floats, target: Array, ignored: Array, axis: int
) -> Floats:
    """Logits whose labels are masked in a quarter of the problems alone: an infinite loss hides what it is added to."""
    if not np.isneginf(logits).any() or request.happens(draw, "label masked", 3):
        return logits
    labels = np.where(ignored, 0, np.expand_dims(target, axis))
    own = np.take_along_axis(logits, labels, axis)
    unmasked = logits.copy()
    np.put_along_axis(unmasked, labels, np.where(np.isneginf(own), 0.0, own), axis)
    return unmasked


@st.composite
def linear_cross_entropy(draw: st.DrawFn, request: Request) -> Problem:
    """Of features and a linear classifier."""
    features, classes = draw(request.widths(most=17)), draw(request.widths(most=17))
    features = classes if draw(st.integers(0, 5)) == 5 else features
    classes = draw(st.sampled_from(request.settings["wide"][1])) if "wide" in request.settings else classes
    rows = classes if request.square(draw, classes) else draw(request.rows(classes, features, chunks=True))
    alone = request.settings.get("kind") == "unbatched" or draw(st.integers(0, 3)) == 3
    unbatched = "unbatched" in request.extras and request.may_have(1) and alone
    unbatched = unbatched or not request.may_have(2)
    batch = () if unbatched else (rows,)
    positions = () if unbatched else request.positions(draw, classes)
    inputs: dict[str, Array] = {
        "input": request.factors(draw, (*batch, features)),
        "linear_weight": request.factors(draw, (classes, *positions, features)),
    }
    if "linear_bias" in request.extras and draw(st.booleans()):
        inputs["linear_bias"] = request.factors(draw, (classes, *positions))
    extra, options, upstream = _losses(draw, request, (*batch, classes, *positions))
    return request.problem(draw, inputs | extra, options, upstream)


_OF_LOSSES = USUAL_LOSSES | OPTIONS | VALUES | pairs() | UPSTREAM | SCALAR
_OF_CLASSIFIERS = {name: region for name, region in SIZES.items() if not name.startswith("more than")}
REGIONS = {
    "cross_entropy": (
        SIZES
        | FIVE_DIMENSIONS
        | GAPS
        | NOT_FINITE
        | _OF_LOSSES
        | PADDING
        | IMAGES
        | layouts("logits", "target", "weight", "grad_output")
    ),
    "linear_cross_entropy": (
        _OF_CLASSIFIERS
        | _OF_LOSSES
        | OF_CLASSIFIER
        | {"more rows than a chunk, reduction mean": mean_of_chunks}
        | POSITIONS
        | layouts("input", "linear_weight", "target", "weight", "grad_output")
    ),
}
