"""Signs of the coefficients of a loss, decided exactly: one that float64 rounds to 0 may still have a sign."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ..problem.exact_sums import nearest
from ..problem.losses import class_weights, is_labels, is_sparse, kept, label_coefficients
from ..problem.problem import Array, Problem
from ..problem.rows import ALL, Rows, wide_rows


def smoothing_of(problem: Problem) -> float:
    """ε, 0 where none is given."""
    return float(problem.options.get("label_smoothing", 0.0))


def coefficient_signs(problem: Problem, classes: int, rows: Rows = ALL) -> Array:
    """1, 0 or -1, the signs of t = w((1 - ε)q + ε/C), and NaN for that of NaN: (r, C).

    >>> problem = Problem("cross_entropy", "float64", {"logits": [[0.0, 0.0]], "target": [[1.0, 1e-320]]})
    >>> coefficient_signs(problem, 2)
    array([[1., 1.]])
    """
    signs = np.sign(class_weights(problem, classes)) * share_signs(problem, classes, rows)
    return np.where(kept(problem, rows)[:, None], signs, 0.0)


def share_signs(problem: Problem, classes: int, rows: Rows = ALL) -> Array:
    """The same of (1 - ε)q + ε/C, the smoothed probabilities: (r, C)."""
    epsilon = smoothing_of(problem)
    if is_labels(problem):
        label = problem.inputs["target"].reshape(-1)[rows][:, None] == np.arange(classes)
        return np.asarray((label & (epsilon < 1)) | (epsilon > 0), np.float64)
    target = problem.inputs["target"]
    q = wide_rows(target, min(target.ndim - 1, 1), rows)
    if epsilon == 0:
        return np.sign(q)
    if epsilon == 1:
        return np.where(np.isnan(q), np.nan, 1.0)
    edge = -Fraction(epsilon) / (classes * (1 - Fraction(epsilon)))  # where C(1 - ε)q + ε is 0
    near = nearest(edge)
    of_near = float((near > edge) - (near < edge))  # no other float64 number is between the two
    return np.where(q == near, of_near, np.sign(q - near))


def own_signs(problem: Problem, classes: int, rows: Rows = ALL) -> Array:
    """The same in the places that `exact` keeps: one for each row where one class alone counts (r, 1)."""
    if not is_sparse(problem):
        return coefficient_signs(problem, classes, rows)
    return np.asarray(np.sign(label_coefficients(problem, classes, rows)[1]))
