"""What a loss makes of its rows: which count, with what coefficients, and what a mean divides by."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from .exact_sums import exact_sum, nearest
from .problem import Array, Problem
from .rows import ALL, Rows, class_count, from_rows, main_input, once, to_rows, wide_rows


def of_positions(problem: Problem, logits: Array) -> Array:
    """Logits (N, C d1 …) of a classifier, whose weight is (C, d1, …, D), as rows: (N d1 …, C)."""
    positions = prod(problem.inputs["linear_weight"].shape[1:-1])
    return to_rows(logits.reshape(len(logits), class_count(problem), positions), 1)


def by_positions(problem: Problem, rows: Array) -> Array:
    """The inverse of `of_positions`."""
    classes, *positions = problem.inputs["linear_weight"].shape[:-1]
    count = prod(main_input(problem).shape[:-1])
    shape = (count, classes, prod(positions))
    return from_rows(rows, shape, 1).reshape(count, shape[1] * shape[2])


def is_labels(problem: Problem) -> bool:
    """Whether the target holds labels and not probabilities."""
    return problem.inputs["target"].dtype == np.int64


def target_rows(problem: Problem, rows: Rows = ALL) -> Array:
    """Some rows of the target probabilities in float64: (r, C)."""
    target = problem.inputs["target"]
    return wide_rows(target, min(target.ndim - 1, 1), rows)


def kept(problem: Problem, rows: Rows = ALL) -> Array:
    """Rows that count, those whose label is not ignored: (r,)."""
    target = problem.inputs["target"]
    if not is_labels(problem):
        others = np.delete(target.shape, min(target.ndim - 1, 1))
        return np.ones(len(np.arange(prod(others))[rows]), bool)
    return np.asarray(target.reshape(-1)[rows] != problem.options.get("ignore_index", -100))


def class_weights(problem: Problem, classes: int) -> Array:
    """w (C,), ones where none are given."""
    weight = problem.inputs.get("weight")
    return np.broadcast_to(np.float64(1.0), (classes,)) if weight is None else weight.astype(np.float64)


@once
def exact_denominator(problem: Problem, classes: int, magnitudes: bool = False) -> Fraction:
    """What the mean divides by: the label weights of the rows that count, or the number of rows for probabilities.

    With `magnitudes` the sum is that of |w|.
    """
    counts = kept(problem)
    if not is_labels(problem) or "weight" not in problem.inputs:
        return Fraction(int(np.count_nonzero(counts)))
    labels = problem.inputs["target"].reshape(-1)[counts]
    weight = class_weights(problem, classes)
    times = np.bincount(labels, minlength=classes).astype(np.float64)
    return exact_sum(np.abs(weight) if magnitudes else weight, times)


@once
def denominator(problem: Problem, classes: int, magnitudes: bool = False) -> float:
    """The float64 number next to it: 0 where it is 0, and nowhere else."""
    return nearest(exact_denominator(problem, classes, magnitudes))


@once
def denominator_reach(problem: Problem, classes: int) -> float:
    """The sum of what is positive in it, or minus that of what is negative, whichever is larger."""
    if not is_labels(problem) or "weight" not in problem.inputs:
        return float(np.count_nonzero(kept(problem)))
    weights = class_weights(problem, classes)[problem.inputs["target"].reshape(-1)[kept(problem)]]
    return float(max(np.maximum(weights, 0).sum(), np.maximum(-weights, 0).sum()))


@once
def mixed_weights(problem: Problem) -> bool:
    """Whether the class weights have both signs, so that they may cancel in the denominator; a layer's are no such."""
    weight = problem.inputs.get("weight", np.ones(1)) if "target" in problem.inputs else np.ones(1)
    return bool((weight < 0).any() and (weight > 0).any())


def is_sparse(problem: Problem) -> bool:
    """Whether one class alone counts in each row: labels without smoothing."""
    return is_labels(problem) and not problem.options.get("label_smoothing")


def label_coefficients(problem: Problem, classes: int, rows: Rows = ALL) -> tuple[Array, Array]:
    """The same where each row has one: its column, 0 for an ignored row, and t there; both (r, 1)."""
    counts = kept(problem, rows)
    columns = np.where(counts, problem.inputs["target"].reshape(-1)[rows], 0)
    return columns[:, None], np.where(counts, class_weights(problem, classes)[columns], 0.0)[:, None]


def coefficients(
    problem: Problem,
    classes: int,
    rows: Rows = ALL,
    number: Callable[[Any], Any] = np.asarray,
    magnitudes: bool = False,
) -> Array:
    """Cross-entropy in one form: its coefficients t (r, C).

        loss_i = -Σ_j t_ij log softmax(x_i)_j,    t_ij = w_j ((1 - ε) q_ij + ε / C),

    where q is the one-hot row of a label or the given probabilities, and t_i = 0 for an ignored row;
    torch.nn.CrossEntropyLoss states it. `number` converts the float64 inputs, for the truth to balls. With `magnitudes`
    |w| and |q| take the place of w and q, since the parts of a coefficient may cancel where one of them is negative.
    """
    target, counts = problem.inputs["target"], kept(problem, rows)
    smoothing = float(problem.options.get("label_smoothing", 0.0))
    if is_labels(problem):
        q = np.zeros((len(counts), classes))
        q[np.flatnonzero(counts), target.reshape(-1)[rows][counts]] = 1.0
    else:
        q = target_rows(problem, rows)
    t = number(np.abs(q) if magnitudes else q)
    if smoothing:
        epsilon = number(np.array(smoothing))
        t = (1 - epsilon) * t + epsilon / classes
    if "weight" in problem.inputs:
        weight = class_weights(problem, classes)
        t = number(np.abs(weight) if magnitudes else weight) * t
    if not counts.all():
        t[~counts] = number(np.zeros(1))
    found: Array = t
    return found
