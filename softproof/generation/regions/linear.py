"""Regions of the linear layer and of its classifier."""

from __future__ import annotations

from math import prod

import numpy as np

from ...problem.formats import FORMATS
from ...problem.losses import is_labels
from ...problem.problem import Problem
from ...problem.rows import class_count
from ..drawn_arrays import root_of_largest
from .region import Region
from .targets import counted_labels
from .upstream import upstream


def _features(problem: Problem) -> int:
    return int(problem.inputs["input"].shape[-1])


def _past_a_tile(size: int) -> bool:
    return size > 256 and size % 256 > 0


def _beyond(problem: Problem) -> bool:
    """Whether some numbers are far beyond the largest of the format, or not far from it, and some are not."""
    x, w, root = problem.inputs["input"], problem.inputs["weight"], root_of_largest(FORMATS[problem.dtype])
    if not x.shape[-1]:
        return False
    sizes = np.abs((x / root).astype(np.float64) @ (w / root).T.astype(np.float64))
    return bool((sizes > 8).any() and (sizes < 0.5).any())


TILE = 128


def _past_tiles(problem: Problem, *sizes: int) -> bool:
    """Whether there is a second tile along several dimensions at once, with a gradient."""
    return min(sizes) > TILE and len(np.unique(upstream(problem))) > 1


def _far_and_whole(problem: Problem) -> bool:
    """Whether logits of a classifier are whole numbers far from 0, each of which is exact, and near to each other."""
    x, w = problem.inputs["input"], problem.inputs["linear_weight"]
    if w.ndim > 2 or x.shape[-1] < 2 or not x.size or not w.size or not is_labels(problem) or class_count(problem) < 2:
        return False
    if not all((each == np.rint(each)).all() for each in (x, w, problem.inputs.get("linear_bias", w))):
        return False
    logits = x.astype(np.float64) @ w.T.astype(np.float64)
    return bool(np.abs(logits).min() > 60 and np.ptp(logits) < 300 and len(counted_labels(problem)))


OF_LINEAR: dict[str, Region] = {
    "more than 100 features": lambda problem: _features(problem) > 100,
    "features past a tile of 256": lambda problem: _past_a_tile(_features(problem)) and upstream(problem).size > 0,
    "classes past a tile of 256": lambda problem: _past_a_tile(class_count(problem)) and upstream(problem).size > 0,
    "more than 130 features, a bias": lambda problem: _features(problem) > 130 and "bias" in problem.inputs,
    "no rows, one class": lambda problem: 0 in problem.inputs["input"].shape and class_count(problem) == 1,
    "as many rows as classes, a bias": lambda problem: (
        problem.inputs["input"].shape[:-1] == (class_count(problem),)
        and "bias" in problem.inputs
        and len(np.unique(upstream(problem))) > 1
    ),
    "more than three dimensions of features": lambda problem: (
        problem.inputs["input"].ndim > 3 and sum(size > 1 for size in problem.inputs["input"].shape[:-1]) > 2
    ),
    "rows, classes and features past a tile of 128": lambda problem: _past_tiles(
        problem, prod(problem.inputs["input"].shape[:-1]), class_count(problem), _features(problem)
    ),
    "a value beyond the largest number": _beyond,
    "no features, a bias": lambda problem: (
        _features(problem) == 0
        and "bias" in problem.inputs
        and bool(problem.inputs["bias"].any())
        and 0 not in problem.inputs["input"].shape[:-1]
    ),
}


OF_CLASSIFIER: dict[str, Region] = {
    "rows and classes past a tile of 128": lambda problem: (
        min(problem.inputs["target"].shape[:1], default=0) > TILE
        and class_count(problem) > TILE
        and bool(upstream(problem).all())
    ),
    "whole logits far from 0": _far_and_whole,
}
