"""Regions in which labels and logits, or labels and images, meet."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...problem.losses import is_labels
from ...problem.outputs import value_shape
from ...problem.problem import Array, Problem
from ...problem.rows import class_count, main_input
from .logits import is_masked, rows_of_logits
from .region import Region
from .targets import counted_labels, is_smoothed, is_weighted, reduction, shares
from .upstream import upstream


def _in_ignored_rows(test: Callable[[Array], Array]) -> Region:
    def contains(problem: Problem) -> bool:
        if not is_labels(problem):
            return False
        ignored = problem.inputs["target"].reshape(-1) == problem.options.get("ignore_index", -100)
        return bool(test(rows_of_logits(problem)[ignored]).any())

    return contains


PADDING: dict[str, Region] = {
    "NaN or inf in ignored rows": _in_ignored_rows(lambda x: ~(x < np.inf)),
    "a label that is masked": lambda problem: is_labels(problem) and _label_is_masked(problem),
    "a masked class beside a label that is not": lambda problem: (
        is_labels(problem) and not is_smoothed(problem) and _masked_beside_the_label(problem)
    ),
    "-inf where a probability is 0": lambda problem: (
        not is_labels(problem) and bool((np.isneginf(rows_of_logits(problem)) & (shares(problem) == 0)).any())
    ),
    "masked classes, smoothing": lambda problem: is_masked(problem) and is_smoothed(problem),
}


def _label_is_masked(problem: Problem) -> bool:
    x, labels = rows_of_logits(problem), problem.inputs["target"].reshape(-1)
    kept = np.flatnonzero(labels != problem.options.get("ignore_index", -100))
    return bool(np.isneginf(x[kept, labels[kept]]).any())


def _masked_beside_the_label(problem: Problem) -> bool:
    """Whether a row that counts has a finite loss all the same, and no weight of 0, with which nothing is fixed."""
    x, labels = rows_of_logits(problem), problem.inputs["target"].reshape(-1)
    kept = np.flatnonzero(labels != problem.options.get("ignore_index", -100))
    finite = np.isfinite(x[kept, labels[kept]]) & np.isfinite(x[kept].max(-1, initial=-np.inf))
    weighs = not is_weighted(problem) or bool((problem.inputs["weight"] != 0).all())
    return weighs and bool((finite & np.isneginf(x[kept]).any(-1)).any())


def _as_many_rows_as_pixels(problem: Problem) -> bool:
    """Whether losses may be transposed, and it shows: they are not all alike."""
    shape, x = value_shape(problem), rows_of_logits(problem)
    return len(shape) > 1 and shape[0] == shape[1] > 1 and bool(np.isfinite(x).all()) and bool((x != x[:1]).any())


def _images_that_count_differently(problem: Problem) -> bool:
    """Whether the mean of all pixels is not the mean of what is the mean of each image."""
    target = problem.inputs["target"]
    if not is_labels(problem) or target.ndim < 2 or reduction(problem) != "mean" or not target.size:
        return False
    kept = (target != problem.options.get("ignore_index", -100)).reshape(len(target), -1).sum(1)
    return len(np.unique(kept)) > 1 and bool(kept.all()) and bool(np.isfinite(main_input(problem)).all())


def _label_near_the_end(problem: Problem) -> bool:
    """Whether labels of plain rows are near the last of many classes, as in a shorter shard, and not the last."""
    before = class_count(problem) - 1 - counted_labels(problem)
    near = np.unique(before[(before > 0) & (before < class_count(problem) // 16)])
    plain = main_input(problem).ndim == 2 and not is_weighted(problem) and not is_smoothed(problem)
    return class_count(problem) > 100 and plain and len(near) > 1 and bool(upstream(problem).any())


def _odd_label_above_256(problem: Problem) -> bool:
    """Whether a label that counts is not a bfloat16, and the next ones have a weight."""
    classes, weight = class_count(problem), problem.inputs.get("weight")
    odd = np.array(
        [each for each in counted_labels(problem) if each > 256 and each % 2 and each + 1 < classes], np.int64
    )
    if weight is None or not odd.size:
        return bool(odd.size)
    return bool(((weight[odd - 1] != 0) & (weight[odd + 1] != 0)).any())


IMAGES: dict[str, Region] = {
    "as many rows as pixels, reduction none": _as_many_rows_as_pixels,
    "images that count differently, reduction mean": _images_that_count_differently,
    "an odd label above 256": _odd_label_above_256,
    "a label near the last of 100 classes": _label_near_the_end,
}
