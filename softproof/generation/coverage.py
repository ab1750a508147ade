"""Regions: the kinds of question that have hurt implementations, by name, so that a run can say which it asked.

A problem lies in any number of them. `REGIONS` says which regions an operation has; a test shows that the default
number of examples reaches each.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import prod

import numpy as np

from ..problem.formats import FORMATS
from ..problem.operations import OPERATIONS, value_shape
from ..problem.problem import Array, Problem
from ..problem.rows import axis_of, class_axes, is_labels, main_input, row_axes, row_length, target_rows, wide_rows
from ..problem.slicing import class_count

Region = Callable[[Problem], bool]


@lru_cache(maxsize=1)  # a problem is asked when it is drawn, and again when it is counted
def regions(problem: Problem) -> tuple[str, ...]:
    """The names of the regions that a problem lies in.

    >>> regions(Problem("softmax", "float32", {"logits": [0.0, -20.0]}, {"dim": -1}))
    ('2 to 9 classes', 'no batch', 'a gap above 17')
    """
    return tuple(name for name, contains in REGIONS[problem.operation].items() if contains(problem))


# ---- sizes and layouts ----------------------------------------------------------------------------------------------


def _others(problem: Problem) -> list[int]:
    """The sizes of the dimensions that are not the classes."""
    of_layer = problem.operation in ("linear", "linear_cross_entropy")
    shape = main_input(problem).shape
    return list(shape) if of_layer else [shape[axis] for axis in row_axes(problem)]


def _aligned(problem: Problem) -> bool:
    """Whether loads, tiles and tensor cores need no rest: every dimension is a multiple of 8, and there are rows."""
    sizes = [*_others(problem), class_count(problem)]
    rows = len(sizes) > 1 + (problem.operation[:6] == "linear")
    return rows and all(size and size % 8 == 0 for size in sizes) and bool(_upstream(problem).any())


def _power_of_two(problem: Problem, beside: int) -> bool:
    size = class_count(problem) - beside
    return size >= 4 and size & (size - 1) == 0


def _is_laid_out(problem: Problem, name: str, layout: str) -> bool:
    array = problem.grad_output if name == "grad_output" else problem.inputs.get(name)
    if array is None or problem.layout_of(name) != layout or not array.size:
        return False
    if layout == "transposed":
        return array.ndim > 1 and max(array.shape) > 1
    if layout == "expanded":
        return any(size > 1 and bool((array == array.take([0], axis)).all()) for axis, size in enumerate(array.shape))
    return array.ndim > 0


_SIZES: dict[str, Region] = {
    "no rows": lambda problem: 0 in main_input(problem).shape,
    "one class": lambda problem: class_count(problem) == 1,
    "2 to 9 classes": lambda problem: 2 <= class_count(problem) <= 9,
    "classes a power of two": lambda problem: _power_of_two(problem, 0),
    "classes a power of two and 1": lambda problem: _power_of_two(problem, 1),
    "classes a power of two less 1": lambda problem: _power_of_two(problem, -1),
    "more than 100 classes": lambda problem: class_count(problem) > 100,
    "more than 500 classes": lambda problem: class_count(problem) > 500,
    "no batch": lambda problem: (
        not _others(problem) or (problem.operation[:6] == "linear" and len(_others(problem)) == 1)
    ),
    "more than one batch dimension": lambda problem: len(_others(problem)) > 1 + (problem.operation[:6] == "linear"),
    "all sizes multiples of 8": _aligned,
    "as many rows as classes": lambda problem: (
        class_count(problem) > 1 and class_count(problem) in _others(problem)[:1]
    ),
}


def _layouts(
    *names: str, first: tuple[str, ...] = ("transposed", "strided", "sliced", "offset", "expanded")
) -> dict[str, Region]:
    """Regions for how arrays lie in memory: all ways for the first, the most telling two for the others."""

    def region(name: str, layout: str) -> Region:
        return lambda problem: _is_laid_out(problem, name, layout)

    ways = {name: first if name == names[0] else ("strided", "expanded") for name in names}
    return {f"{name} {layout}": region(name, layout) for name, layouts in ways.items() for layout in layouts}


_SHAPES_OF_LOGITS: dict[str, Region] = {
    "no classes": lambda problem: row_length(problem) == 0,
    "a number alone": lambda problem: main_input(problem).ndim == 0,
}


def _as_many_positions(problem: Problem) -> bool:
    """Whether classes may be taken for positions behind them, more than a vector of each, in an array with strides."""
    shape, axes = main_input(problem).shape, class_axes(problem)
    behind = shape[axes[0] + 1 :] if len(axes) == 1 and len(shape) > 2 else ()
    strided = problem.layout_of("logits") != "contiguous"
    return strided and any(size == shape[axes[0]] > 8 for size in behind) and bool(_upstream(problem).any())


_FIVE: dict[str, Region] = {
    "as many positions as classes, strided": _as_many_positions,
    "more than four dimensions": lambda problem: main_input(problem).ndim > 4 and min(main_input(problem).shape) > 1,
}
_SHAPES_OF_SUMS: dict[str, Region] = {
    "a tuple of dims": lambda problem: isinstance(problem.options.get("dim"), tuple),
    "several dims": lambda problem: sum(main_input(problem).shape[axis] > 1 for axis in class_axes(problem)) > 1,
    "dims that are kept": lambda problem: problem.options.get("keepdim", False) and main_input(problem).ndim > 0,
}
_POSITIONS: dict[str, Region] = {
    "many positions": lambda problem: problem.inputs["linear_weight"].ndim > 2 and class_count(problem) > 1,
    "as many positions as classes": lambda problem: (
        problem.inputs["linear_weight"].ndim == 3
        and problem.inputs["linear_weight"].shape[0] == problem.inputs["linear_weight"].shape[1] > 1
    ),
    "many positions, a bias": lambda problem: (
        problem.inputs["linear_weight"].ndim > 2 and "linear_bias" in problem.inputs
    ),
}


# ---- logits ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)  # most regions of a problem are about the same rows
def _rows(problem: Problem) -> Array:
    return wide_rows(problem.inputs["logits"], axis_of(problem))


def _gap(problem: Problem) -> float:
    """The largest distance between the two largest logits of a row that is finite but for masks."""
    x = _rows(problem)
    x = x[np.isfinite(x.max(-1, initial=-np.inf))]
    if x.shape[-1] < 2 or not x.size:
        return 0.0
    ordered = np.sort(x, -1)
    with np.errstate(over="ignore"):
        gap = ordered[:, -1] - ordered[:, -2]
    return float(gap.max(initial=0.0, where=np.isfinite(gap)))


def _offset(problem: Problem, low: float, high: float) -> bool:
    """Whether the least magnitude in a row is in an interval."""
    least = np.abs(_rows(problem)).min(-1, initial=np.inf)
    return bool(((low < least) & (least < high)).any())


def _masked(problem: Problem) -> bool:
    x = _rows(problem)
    return bool((np.isneginf(x).any(-1) & np.isfinite(x.max(-1, initial=-np.inf))).any())


SIDE_BY_SIDE = 32  # masked classes, as many as fill a tile


def _masked_side_by_side(problem: Problem) -> bool:
    """Whether a row that is finite but for masks has that many of them next to each other."""
    x = _rows(problem)
    if x.shape[-1] <= SIDE_BY_SIDE or not x.size:
        return False
    masked = np.isneginf(x) & np.isfinite(x.max(-1, keepdims=True))
    return bool(np.lib.stride_tricks.sliding_window_view(masked, SIDE_BY_SIDE, -1).all(-1).any())


def _all_but_one_masked(problem: Problem) -> bool:
    """Whether a row of three classes or more has one that is not masked, and is finite."""
    x = _rows(problem)
    return x.shape[-1] > 2 and bool(((~np.isneginf(x)).sum(-1) == 1)[np.isfinite(x.max(-1, initial=-np.inf))].any())


def _has_ties(problem: Problem) -> bool:
    x = _rows(problem)
    return x.shape[-1] > 1 and bool(((x == x.max(-1, keepdims=True)).sum(-1) > 1).any()) if x.size else False


def _underflows(problem: Problem) -> bool:
    """Whether an exponential is below the normal numbers of the format."""
    x = _rows(problem)
    if not x.size:
        return False
    with np.errstate(invalid="ignore", over="ignore"):
        d = x - x.max(-1, keepdims=True)
    return bool((np.isfinite(d) & (d < np.log(FORMATS[problem.dtype].tiny))).any())


_GAPS: dict[str, Region] = {
    "a gap above 17": lambda problem: _gap(problem) > 17,
    "a gap above 104": lambda problem: _gap(problem) > 104,
    "ties of the largest": _has_ties,
    "exponentials that underflow": _underflows,
    "a common offset of 1e4": lambda problem: _offset(problem, 9e3, 2e4),
    "a common offset of 1e8": lambda problem: _offset(problem, 9e7, 2e8),
    "masked classes": _masked,
    "32 masked classes side by side": _masked_side_by_side,
    "all classes masked but one": _all_but_one_masked,
}
_LOWEST: dict[str, Region] = {
    "a row of the lowest number": lambda problem: bool(
        (_rows(problem) == -FORMATS[problem.dtype].largest).all(-1).any() and problem.inputs["logits"].size
    ),
}
_NOT_FINITE: dict[str, Region] = {
    "a row of -inf": lambda problem: (
        bool(np.isneginf(_rows(problem)).all(-1).any()) and problem.inputs["logits"].size > 0
    ),
    "a row with +inf": lambda problem: bool(np.isposinf(problem.inputs["logits"]).any()),
    "a row with NaN": lambda problem: bool(np.isnan(problem.inputs["logits"]).any()),
}


# ---- upstream gradients ---------------------------------------------------------------------------------------------


def _upstream(problem: Problem) -> Array:
    g = problem.grad_output
    return np.zeros(0) if g is None else g.astype(np.float64).reshape(-1)


def _first_upstream(problem: Problem, first: float) -> bool:
    """Whether the first is this, and most others are not: a shortcut that looks at one of them concludes too much."""
    g = _upstream(problem)
    return g.size > 1 and g[0] == first and bool((g[1:] != first).mean() > 0.5)


_UPSTREAM: dict[str, Region] = {
    "an upstream gradient of zero": lambda problem: bool(_upstream(problem).size) and not _upstream(problem).any(),
    "upstream gradients that differ": lambda problem: len(np.unique(_upstream(problem))) > 1,
    "one upstream gradient for all": lambda problem: (
        _upstream(problem).size > 1 and len(np.unique(_upstream(problem))) == 1 and _upstream(problem)[0] not in (0, 1)
    ),
    "a huge upstream gradient": lambda problem: bool((np.abs(_upstream(problem)) > 1e6).any()),
    "a tiny upstream gradient": lambda problem: bool(
        ((np.abs(_upstream(problem)) < 1e-20) & (_upstream(problem) != 0)).any()
    ),
    "an upstream gradient of 1 before others": lambda problem: _first_upstream(problem, 1.0),
    "an upstream gradient of 0 before others": lambda problem: _first_upstream(problem, 0.0),
}
_SCALAR: dict[str, Region] = {
    "a scalar upstream gradient that is not 1": lambda problem: (
        value_shape(problem) == () and _upstream(problem).size == 1 and _upstream(problem)[0] not in (0, 1)
    ),
}


# ---- targets and options --------------------------------------------------------------------------------------------


def _ignored(problem: Problem) -> float:
    """The share of ignored labels."""
    target = problem.inputs["target"]
    if not is_labels(problem) or not target.size:
        return 0.0
    return float((target == problem.options.get("ignore_index", -100)).mean())


def _counted(problem: Problem) -> Array:
    """The labels that count."""
    labels = problem.inputs["target"] if is_labels(problem) else np.zeros(0, np.int64)
    return np.asarray(labels[labels != problem.options.get("ignore_index", -100)])


def _sum_of_several(problem: Problem) -> bool:
    """Whether a sum over all rows that count, two at least, differs from their mean, and the gradients do as well."""
    some = _ignored(problem) > 0 and len(_counted(problem)) > 1
    return some and _reduction(problem) == "sum" and bool(_upstream(problem).any())


CHUNK = 16  # rows


def _ignored_chunk(problem: Problem) -> bool:
    """Whether a chunk of rows is ignored as a whole before some that count, and have a gradient."""
    ignored = problem.inputs["target"].reshape(-1) == problem.options.get("ignore_index", -100)
    count = len(ignored) // CHUNK if is_labels(problem) else 0
    whole = np.flatnonzero(ignored[: count * CHUNK].reshape(count, CHUNK).all(-1))
    return bool(whole.size and not ignored[whole[0] * CHUNK :].all() and (_upstream(problem) != 0).all())


def _smoothed_beside_an_ignored_class(problem: Problem) -> bool:
    """Whether a class that names ignored rows has its part of the smoothing in others."""
    ignored = problem.options.get("ignore_index", -100)
    return _smoothed(problem) and len(_counted(problem)) > 0 and 0 <= ignored < class_count(problem)


def _smoothed(problem: Problem) -> bool:
    return "label_smoothing" in problem.options


def _weighted(problem: Problem) -> bool:
    return "weight" in problem.inputs


def _mean_of_chunks(problem: Problem) -> bool:
    """Whether there are more rows than a chunk of 16, and the mean of several chunks is not the mean of all."""
    chunks = problem.inputs["target"].shape[:1] > (16,)
    return chunks and is_labels(problem) and _reduction(problem) == "mean" and _ignored(problem) < 1


def _reduction(problem: Problem) -> str:
    return str(problem.options.get("reduction", "mean"))


def _reduced(*names: str) -> Region:
    return lambda problem: _reduction(problem) in names


def _is_square(problem: Problem) -> bool:
    """Whether labels may be taken for a row of numbers, and it shows: two that count differ, and logits are finite."""
    labels = problem.inputs["target"]
    if not is_labels(problem) or labels.size != class_count(problem):
        return False
    return len(np.unique(_counted(problem))) > 1 and bool(np.isfinite(main_input(problem)).all())


_OPTIONS: dict[str, Region] = {
    "labels": is_labels,
    "labels, as many as classes": _is_square,
    "probabilities": lambda problem: not is_labels(problem),
    "reduction none": _reduced("none"),
    "reduction sum": _reduced("sum"),
    "reduction mean": _reduced("mean"),
    "weights": _weighted,
    "smoothing": _smoothed,
    "some rows ignored": lambda problem: 0 < _ignored(problem) < 1,
    "all rows ignored": lambda problem: _ignored(problem) == 1,
    "a chunk of ignored rows before others": _ignored_chunk,
    "all rows ignored but one": lambda problem: (
        is_labels(problem) and problem.inputs["target"].size > 2 and len(_counted(problem)) == 1
    ),
    "an ignore_index that is a class": lambda problem: (
        is_labels(problem) and problem.options.get("ignore_index", -100) >= 0
    ),
    "an ignore_index of -1": lambda problem: problem.options.get("ignore_index") == -1 and _ignored(problem) > 0,
    "several rows count, some are ignored, reduction sum": _sum_of_several,
    "smoothing, an ignore_index that is a class": _smoothed_beside_an_ignored_class,
}
_VALUES: dict[str, Region] = {
    "probabilities that do not sum to 1": lambda problem: (
        not is_labels(problem)
        and problem.inputs["target"].size > 0
        and bool((np.abs(_shares(problem).sum(-1) - 1) > 0.1).any())
    ),
    "a row without probability": lambda problem: (
        not is_labels(problem)
        and len(_shares(problem)) > 1
        and bool((_shares(problem) == 0).all(-1).any())
        and bool(_shares(problem).any())
    ),
    "negative probabilities": lambda problem: not is_labels(problem) and bool((problem.inputs["target"] < 0).any()),
    "a weight of 0": lambda problem: _weighted(problem) and bool((problem.inputs["weight"] == 0).any()),
    "a negative weight": lambda problem: _weighted(problem) and bool((problem.inputs["weight"] < 0).any()),
    "smoothing 1": lambda problem: problem.options.get("label_smoothing") == 1.0,
}


def _shares(problem: Problem) -> Array:
    return target_rows(problem)


def _pairs() -> dict[str, Region]:
    """Every two options at a time that can meet, and three of them."""
    options = {name: _OPTIONS[name] for name in ("weights", "smoothing", "some rows ignored", "probabilities")}
    reductions = {name: _OPTIONS[name] for name in ("reduction none", "reduction sum", "reduction mean")}
    names = [*options, *reductions]
    contains = options | reductions

    def both(first: str, second: str) -> Region:
        return lambda problem: contains[first](problem) and contains[second](problem)

    pairs = {
        f"{first}, {second}": both(first, second)
        for i, first in enumerate(names)
        for second in names[i + 1 :]
        if {first, second} != {"some rows ignored", "probabilities"} and not {first, second} <= set(reductions)
    }
    three = {"weights", "smoothing", "some rows ignored"}
    triples: dict[str, Region] = {
        "weights, smoothing, some rows ignored": lambda problem: all(options[name](problem) for name in three),
        "weights, smoothing, probabilities": lambda problem: (
            _weighted(problem) and _smoothed(problem) and not is_labels(problem)
        ),
    }
    return pairs | triples


def _in_ignored_rows(test: Callable[[Array], Array]) -> Region:
    def contains(problem: Problem) -> bool:
        if not is_labels(problem):
            return False
        ignored = problem.inputs["target"].reshape(-1) == problem.options.get("ignore_index", -100)
        return bool(test(_rows(problem)[ignored]).any())

    return contains


_PADDING: dict[str, Region] = {
    "NaN or inf in ignored rows": _in_ignored_rows(lambda x: ~(x < np.inf)),
    "a label that is masked": lambda problem: is_labels(problem) and _label_is_masked(problem),
    "a masked class beside a label that is not": lambda problem: (
        is_labels(problem) and not _smoothed(problem) and _masked_beside_the_label(problem)
    ),
    "-inf where a probability is 0": lambda problem: (
        not is_labels(problem) and bool((np.isneginf(_rows(problem)) & (_shares(problem) == 0)).any())
    ),
    "masked classes, smoothing": lambda problem: _masked(problem) and _smoothed(problem),
}


def _label_is_masked(problem: Problem) -> bool:
    x, labels = _rows(problem), problem.inputs["target"].reshape(-1)
    kept = np.flatnonzero(labels != problem.options.get("ignore_index", -100))
    return bool(np.isneginf(x[kept, labels[kept]]).any())


def _masked_beside_the_label(problem: Problem) -> bool:
    """Whether a row that counts has a finite loss all the same, and no weight of 0, with which nothing is fixed."""
    x, labels = _rows(problem), problem.inputs["target"].reshape(-1)
    kept = np.flatnonzero(labels != problem.options.get("ignore_index", -100))
    finite = np.isfinite(x[kept, labels[kept]]) & np.isfinite(x[kept].max(-1, initial=-np.inf))
    weighs = not _weighted(problem) or bool((problem.inputs["weight"] != 0).all())
    return weighs and bool((finite & np.isneginf(x[kept]).any(-1)).any())


# ---- images ---------------------------------------------------------------------------------------------------------


def _as_many_rows_as_pixels(problem: Problem) -> bool:
    """Whether losses may be transposed, and it shows: they are not all alike."""
    shape, x = value_shape(problem), _rows(problem)
    return len(shape) > 1 and shape[0] == shape[1] > 1 and bool(np.isfinite(x).all()) and bool((x != x[:1]).any())


def _images_that_count_differently(problem: Problem) -> bool:
    """Whether the mean of all pixels is not the mean of what is the mean of each image."""
    target = problem.inputs["target"]
    if not is_labels(problem) or target.ndim < 2 or _reduction(problem) != "mean" or not target.size:
        return False
    kept = (target != problem.options.get("ignore_index", -100)).reshape(len(target), -1).sum(1)
    return len(np.unique(kept)) > 1 and bool(kept.all()) and bool(np.isfinite(main_input(problem)).all())


def _label_near_the_end(problem: Problem) -> bool:
    """Whether labels of plain rows are near the last of many classes, as in a shorter shard, and not the last."""
    before = class_count(problem) - 1 - _counted(problem)
    near = np.unique(before[(before > 0) & (before < class_count(problem) // 16)])
    plain = main_input(problem).ndim == 2 and not _weighted(problem) and not _smoothed(problem)
    return class_count(problem) > 100 and plain and len(near) > 1 and bool(_upstream(problem).any())


def _odd_label_above_256(problem: Problem) -> bool:
    """Whether a label that counts is not a bfloat16, and the next ones have a weight."""
    classes, weight = class_count(problem), problem.inputs.get("weight")
    odd = np.array([each for each in _counted(problem) if each > 256 and each % 2 and each + 1 < classes], np.int64)
    if weight is None or not odd.size:
        return bool(odd.size)
    return bool(((weight[odd - 1] != 0) & (weight[odd + 1] != 0)).any())


_IMAGES: dict[str, Region] = {
    "as many rows as pixels, reduction none": _as_many_rows_as_pixels,
    "images that count differently, reduction mean": _images_that_count_differently,
    "an odd label above 256": _odd_label_above_256,
    "a label near the last of 100 classes": _label_near_the_end,
}


# ---- calls that are made most ---------------------------------------------------------------------------------------

USUAL = "a usual call"


def is_usual(problem: Problem) -> bool:
    """Whether it is a batch of ordinary rows without options, that is another question in the opposite order."""
    main, options = main_input(problem), problem.options
    floats = [each for each in problem.inputs.values() if each.dtype != np.int64]
    usual = main.ndim == 2 and min(main.shape) > 1 and class_count(problem) > 1
    usual &= {"weight", "target"} & problem.inputs.keys() <= set(OPERATIONS[problem.operation].inputs)
    usual &= options.get("dim", -1) in (-1, 1) and options.keys() <= {"dim", "reduction"}
    usual &= all(problem.layout_of(name) == "contiguous" for name in problem.inputs)
    if not usual or not all(np.isfinite(each).all() for each in floats) or not _upstream(problem).any():
        return False
    labels = problem.inputs.get("target", np.arange(2))
    return labels.dtype == np.int64 and labels.ndim == 1 and labels[0] != labels[-1] and bool((labels >= 0).all())


_USUAL: dict[str, Region] = {USUAL: is_usual}
_USUAL_LOSS: dict[str, Region] = {
    f"{USUAL}, reduction mean": lambda problem: _reduction(problem) == "mean" and is_usual(problem),
    f"{USUAL}, reduction none": lambda problem: _reduction(problem) == "none" and is_usual(problem),
    "as many rows as classes, weights, probabilities": lambda problem: (
        _weighted(problem)
        and not is_labels(problem)
        and "label_smoothing" not in problem.options
        and len(np.unique(problem.inputs["weight"])) > 1
        and problem.inputs["target"].shape == (class_count(problem), class_count(problem))
        and bool(np.isfinite(main_input(problem)).all() and _upstream(problem).any())
    ),
    "no batch, weights, reduction mean": lambda problem: (
        _weighted(problem)
        and is_labels(problem)
        and not problem.inputs["target"].ndim
        and _reduction(problem) == "mean"
        and "label_smoothing" not in problem.options
        and bool((np.abs(problem.inputs["weight"][_counted(problem)]) % 1 > 0).any())
    ),
}


# ---- the linear layer -----------------------------------------------------------------------------------------------


def _features(problem: Problem) -> int:
    return int(problem.inputs["input"].shape[-1])


def _past_a_tile(size: int) -> bool:
    return size > 256 and size % 256 > 0


TILE = 128


def _past_tiles(problem: Problem, *sizes: int) -> bool:
    """Whether there is a second tile along several dimensions at once, with a gradient."""
    return min(sizes) > TILE and len(np.unique(_upstream(problem))) > 1


def _far_and_whole(problem: Problem) -> bool:
    """Whether logits of a classifier are whole numbers far from 0, each of which is exact, and near to each other."""
    x, w = problem.inputs["input"], problem.inputs["linear_weight"]
    if w.ndim > 2 or x.shape[-1] < 2 or not x.size or not w.size or not is_labels(problem) or class_count(problem) < 2:
        return False
    if not all((each == np.rint(each)).all() for each in (x, w, problem.inputs.get("linear_bias", w))):
        return False
    logits = x.astype(np.float64) @ w.T.astype(np.float64)
    return bool(np.abs(logits).min() > 60 and np.ptp(logits) < 300 and len(_counted(problem)))


_OF_LINEAR: dict[str, Region] = {
    "more than 100 features": lambda problem: _features(problem) > 100,
    "features past a tile of 256": lambda problem: _past_a_tile(_features(problem)) and _upstream(problem).size > 0,
    "classes past a tile of 256": lambda problem: _past_a_tile(class_count(problem)) and _upstream(problem).size > 0,
    "more than 130 features, a bias": lambda problem: _features(problem) > 130 and "bias" in problem.inputs,
    "no rows, one class": lambda problem: 0 in problem.inputs["input"].shape and class_count(problem) == 1,
    "as many rows as classes, a bias": lambda problem: (
        problem.inputs["input"].shape[:-1] == (class_count(problem),)
        and "bias" in problem.inputs
        and len(np.unique(_upstream(problem))) > 1
    ),
    "more than three dimensions of features": lambda problem: (
        problem.inputs["input"].ndim > 3 and sum(size > 1 for size in problem.inputs["input"].shape[:-1]) > 2
    ),
    "rows, classes and features past a tile of 128": lambda problem: _past_tiles(
        problem, prod(problem.inputs["input"].shape[:-1]), class_count(problem), _features(problem)
    ),
    "no features, a bias": lambda problem: (
        _features(problem) == 0
        and "bias" in problem.inputs
        and bool(problem.inputs["bias"].any())
        and 0 not in problem.inputs["input"].shape[:-1]
    ),
}
_OF_CLASSIFIER: dict[str, Region] = {
    "rows and classes past a tile of 128": lambda problem: (
        min(problem.inputs["target"].shape[:1], default=0) > TILE
        and class_count(problem) > TILE
        and bool(_upstream(problem).all())
    ),
    "whole logits far from 0": _far_and_whole,
}


# ---- distributions --------------------------------------------------------------------------------------------------


def _sums(problem: Problem, name: str) -> Array:
    """Of each row of a distribution; 1 but for rounding, or not."""
    return np.asarray(wide_rows(problem.inputs[name], axis_of(problem)).sum(-1))


def _do_not_sum_to_1(problem: Problem) -> bool:
    return any(bool((np.abs(_sums(problem, name) - 1) > 0.1).any()) for name in problem.inputs)


_ZEROS: dict[str, Region] = {
    "rows that do not sum to 1": _do_not_sum_to_1,
    "a probability of 0": lambda problem: any(bool((each == 0).any()) for each in problem.inputs.values()),
    "a certain outcome": lambda problem: any(bool((each == 1).any()) for each in problem.inputs.values()),
}
_PAIRS_OF_DISTRIBUTIONS: dict[str, Region] = {
    "q = 0 < p": lambda problem: bool(((problem.inputs["q"] == 0) & (problem.inputs["p"] > 0)).any()),
    "less of p than of q": lambda problem: bool((2 * _sums(problem, "p") <= _sums(problem, "q")).any()),
    "p = q = 0": lambda problem: bool(((problem.inputs["q"] == 0) & (problem.inputs["p"] == 0)).any()),
}


# ---- large problems -------------------------------------------------------------------------------------------------

MANY = (1000, 65536)


def sizes_of(problem: Problem) -> tuple[str, ...]:
    """Which sizes of a large problem are above limits, by name.

    >>> sizes_of(Problem("softmax", "float32", {"logits": np.zeros((2000, 3))}, {"dim": 1}))
    ('more than 1,000 rows', 'more than 1,000 of a batch')
    """
    return tuple(
        f"more than {limit:,} {name}" for name, size in _long(problem).items() for limit in MANY if size > limit
    )


def _long(problem: Problem) -> dict[str, int]:
    """The size of each dimension of a problem."""
    main = main_input(problem).shape
    if "input" in problem.inputs:
        weight = problem.inputs["weight" if problem.operation == "linear" else "linear_weight"].shape
        lead, features = (*main[:-1], *weight[1:-1]), {"features": main[-1]}
    else:
        lead, features = tuple(main[axis] for axis in row_axes(problem)), {}
    found = {"rows": prod(lead), "of a batch": lead[0] if lead else 1, "positions": prod(lead[1:])}
    return found | {"classes": class_count(problem)} | features


# ---- by operation ---------------------------------------------------------------------------------------------------

_OF_LOGITS = (
    _SIZES
    | _USUAL
    | _FIVE
    | _SHAPES_OF_LOGITS
    | _GAPS
    | _LOWEST
    | _NOT_FINITE
    | _UPSTREAM
    | _layouts("logits", "grad_output")
)
_OF_LOSSES = _USUAL_LOSS | _OPTIONS | _VALUES | _pairs() | _UPSTREAM | _SCALAR
_FEW_CLASSES = {name: region for name, region in _SIZES.items() if not name.startswith("more than")}
_OF_PAIRS = _SIZES | _USUAL | _ZEROS | _PAIRS_OF_DISTRIBUTIONS | _UPSTREAM | _layouts("p", "q", "grad_output")

REGIONS: dict[str, dict[str, Region]] = {
    "softmax": _OF_LOGITS,
    "log_softmax": _OF_LOGITS,
    "logsumexp": _OF_LOGITS | _SHAPES_OF_SUMS,
    "entropy": _SIZES | _USUAL | _ZEROS | _UPSTREAM | _layouts("p", "grad_output"),
    "distribution_cross_entropy": _OF_PAIRS,
    "kl_divergence": _OF_PAIRS,
    "linear": _SIZES | _USUAL | _OF_LINEAR | _UPSTREAM | _layouts("input", "weight", "bias", "grad_output"),
    "cross_entropy": (
        _SIZES
        | _FIVE
        | _GAPS
        | _NOT_FINITE
        | _OF_LOSSES
        | _PADDING
        | _IMAGES
        | _layouts("logits", "target", "weight", "grad_output")
    ),
    "linear_cross_entropy": (
        {name: region for name, region in _FEW_CLASSES.items() if name != "more than one batch dimension"}
        | _OF_LOSSES
        | _OF_CLASSIFIER
        | {"more rows than a chunk, reduction mean": _mean_of_chunks}
        | _POSITIONS
        | _layouts("input", "linear_weight", "target", "weight", "grad_output")
    ),
}
