"""Regions of the calls that are made most."""

from __future__ import annotations

import numpy as np

from ...problem.losses import is_labels
from ...problem.operations import OPERATIONS
from ...problem.problem import Problem
from ...problem.rows import class_count, main_input
from .region import Region
from .targets import counted_labels, is_weighted, reduction
from .upstream import upstream

USUAL = "a usual call"


def is_usual(problem: Problem) -> bool:
    """Whether it is a batch of ordinary rows without options, that is another question in the opposite order."""
    main, options = main_input(problem), problem.options
    floats = [each for each in problem.inputs.values() if each.dtype != np.int64]
    usual = main.ndim == 2 and min(main.shape) > 1 and class_count(problem) > 1
    usual &= {"weight", "target"} & problem.inputs.keys() <= set(OPERATIONS[problem.operation].inputs)
    usual &= options.get("dim", -1) in (-1, 1) and options.keys() <= {"dim", "reduction"}
    usual &= all(problem.layout_of(name) == "contiguous" for name in problem.inputs)
    if not usual or not all(np.isfinite(each).all() for each in floats) or not upstream(problem).any():
        return False
    labels = problem.inputs.get("target", np.arange(2))
    return labels.dtype == np.int64 and labels.ndim == 1 and labels[0] != labels[-1] and bool((labels >= 0).all())


USUAL_CALLS: dict[str, Region] = {USUAL: is_usual}


USUAL_LOSSES: dict[str, Region] = {
    f"{USUAL}, reduction mean": lambda problem: reduction(problem) == "mean" and is_usual(problem),
    f"{USUAL}, reduction none": lambda problem: reduction(problem) == "none" and is_usual(problem),
    "as many rows as classes, weights, probabilities": lambda problem: (
        is_weighted(problem)
        and not is_labels(problem)
        and "label_smoothing" not in problem.options
        and len(np.unique(problem.inputs["weight"])) > 1
        and problem.inputs["target"].shape == (class_count(problem), class_count(problem))
        and bool(np.isfinite(main_input(problem)).all() and upstream(problem).any())
    ),
    "no batch, weights, reduction mean": lambda problem: (
        is_weighted(problem)
        and is_labels(problem)
        and not problem.inputs["target"].ndim
        and reduction(problem) == "mean"
        and "label_smoothing" not in problem.options
        and bool((np.abs(problem.inputs["weight"][counted_labels(problem)]) % 1 > 0).any())
    ),
}
