"""What the terms of a loss are multiplied by, and what their sum is divided by (docs/theory/bounds.md, section 6)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..problem.losses import (
    class_weights,
    coefficients,
    denominator,
    denominator_reach,
    is_labels,
    kept,
    mixed_weights,
)
from ..problem.problem import Array, Problem
from ..problem.rows import Rows, class_count, once, reduction_of
from .algebra import additions
from .arithmetic import Arithmetic
from .exactly import adds_up, formats_of, rounds, units
from .overflow import OPPOSITE, Left, anything, exceeds
from .softmax_rows import SoftmaxRows


def smoothing_of(problem: Problem) -> float:
    """ε, or 0 where the problem has no label smoothing."""
    return float(problem.options.get("label_smoothing", 0.0))


def smoothing_error(problem: Problem, a: Arithmetic) -> float:
    """|ε̂ - ε| of a smoothing that is rounded to the format that is computed in (A6)."""
    epsilon = smoothing_of(problem)
    return abs(float(a.compute.round(epsilon)) - epsilon)


def moved(problem: Problem, f: SoftmaxRows, rows: Rows) -> Array | float:
    """|ε̂ - ε| w (q + 1/C), with magnitudes; 0 in rows that are ignored (r, C)."""
    error = smoothing_error(problem, f.arithmetic)
    if not error:
        return 0.0
    whole = replace(problem, options={**problem.options, "label_smoothing": 0.0})
    parts = coefficients(whole, f.classes, rows, magnitudes=True)
    shares = np.abs(class_weights(problem, f.classes)) / f.classes
    return np.asarray(error * (parts + np.where(kept(problem, rows)[:, None], shares, 0.0)))


def roundings_of(problem: Problem) -> int:
    """Of one term w((1 - ε)q + ε/C)·l, counted over all ways to form it.

    With smoothing 1 - ε, its product with q, ε/C, and the addition; the product with w; and that with l, unless t is
    0, 1 or w.
    """
    smoothed, weighted = 4 * bool(smoothing_of(problem)), "weight" in problem.inputs
    return smoothed + weighted + (not is_labels(problem) or bool(smoothed))


def inexact_roundings(problem: Problem, a: Arithmetic) -> Array:
    """The same for each class (C,), but for what loses nothing: numbers that the formats hold, and powers of 2."""
    weighted = rounds(class_weights(problem, class_count(problem))).astype(np.int64)
    if not smoothing_of(problem):
        return np.asarray(weighted + (not is_labels(problem)))
    smoothed = 3 + (not is_labels(problem)) if _smooths_exactly(problem, a) else 5
    return np.asarray(weighted + smoothed)


def _smooths_exactly(problem: Problem, a: Arithmetic) -> bool:
    """Whether C is a power of 2, and the formats hold ε, 1 - ε and ε/C."""
    epsilon, classes = smoothing_of(problem), class_count(problem)
    numbers, used = np.array([epsilon, 1 - epsilon, epsilon / classes]), formats_of(a, "terms")
    exact = 1 - (1 - epsilon) == epsilon and not rounds(classes)
    return bool(exact and all(each.holds(numbers).all() and epsilon / classes >= each.tiny for each in used))


@dataclass(frozen=True)
class Mean:
    """The denominator D, 1 when nothing is divided, its relative error, and the roundings of a division by it."""

    divisor: np.float64
    omega: Array
    roundings: int
    either_sign: bool = False  # where what is left of weights that cancel may have either sign, or be 0
    overflows: bool = False  # whether D may come out infinite, so that all that is divided by it is 0

    @property
    def least(self) -> np.float64:
        """How small |D| may come out, or 1."""
        return np.float64(min(1.0, abs(self.divisor) * (1 - min(1.0, float(self.omega)))))

    @property
    def most(self) -> float:
        """How large |D| may come out, or 1."""
        return np.inf if self.overflows else max(1.0, abs(float(self.divisor)))

    def anything(self, where: Array) -> Left:
        """What may be left where no digit of the denominator is certain."""
        return anything(where) | np.where(where & self.either_sign, np.int8(OPPOSITE), np.int8(0))

    @classmethod
    @once
    def of(cls, problem: Problem, a: Arithmetic) -> Mean:
        """What a loss is divided by in this arithmetic."""
        if reduction_of(problem) != "mean":
            return cls(np.float64(1.0), np.asarray(0.0), 0)
        roundings = 1 if a.divides else 2
        classes, total = class_count(problem), a.total or a.compute
        divisor = np.float64(denominator(problem, classes))
        rows = problem.inputs["target"].size if is_labels(problem) else int(divisor)
        omega = order = np.asarray(0.0 if rows <= 1 / total.u else total.u)
        either_sign = False
        if "weight" in problem.inputs and is_labels(problem):
            among = int(np.count_nonzero(kept(problem))) if a.total_depth == "numpy" else max(rows, classes) + 1
            order = additions(rows + 1, total.u, a.total_depth, among)
            omega = np.zeros_like(order) if adds_exactly(problem, a) else order
            if mixed_weights(problem):
                size = denominator(problem, classes, magnitudes=True)
                omega = omega * (size / abs(divisor)) if omega else omega
                either_sign = bool(size > abs(divisor) and not omega < 1)
        if not (omega or rounds(divisor)):
            roundings = 0
        overflows = bool(exceeds(denominator_reach(problem, classes) * (1 + order), total.largest))
        return cls(divisor, np.where(overflows, np.inf, omega), roundings, either_sign, overflows)


def adds_exactly(problem: Problem, a: Arithmetic) -> bool:
    """Whether no order of summation rounds the class weights of the labels that count.

    Every partial sum is a multiple of one unit, and lies between the sum of the negative weights and that of the
    positive ones. It is exact where neither of these exceeds 2^precision units.
    """
    labels, total = problem.inputs["target"].reshape(-1)[kept(problem)], a.total or a.compute
    weights = class_weights(problem, class_count(problem))[labels]
    unit = units(weights).min(initial=np.inf)
    most = max(np.maximum(each, 0).sum() for each in (weights, -weights))
    return bool(adds_up(most - unit / 2 if most else most, unit, a, total))


def largest_of_sums(a: Arithmetic) -> float:
    """The largest number of the format in which losses are added up."""
    return (a.storage if a.stored & {"total", "terms"} else a.compute).largest


def largest_term(a: Arithmetic) -> float:
    """The largest number of the format in which one loss is computed."""
    return (a.storage if "terms" in a.stored else a.compute).largest
