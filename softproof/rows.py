"""Every operation seen as rows: one row per sample, classes last. Shared by `exact` and `bounds`, so that both
speak about the same mathematics.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .problem import Array, Problem


def to_rows(array: Array, axis: int) -> Array:
    """`array` with `axis` last and everything else flattened: (R, C)."""
    moved = np.moveaxis(array, axis, -1)
    return moved.reshape(int(np.prod(moved.shape[:-1])), moved.shape[-1])


def from_rows(rows: Array, shape: tuple[int, ...], axis: int) -> Array:
    """The inverse of `to_rows` for an array of that `shape`."""
    moved = np.moveaxis(np.empty(shape, bool), axis, -1).shape
    return np.moveaxis(np.asarray(rows, dtype=object if rows.dtype == object else None).reshape(moved), -1, axis)


def both_from_rows(pair: tuple[Array, Array], shape: tuple[int, ...], axis: int) -> tuple[Array, Array]:
    """Two arrays at once, such as a value and its error."""
    return from_rows(pair[0], shape, axis), from_rows(pair[1], shape, axis)


def dim_of(problem: Problem) -> int:
    """The axis that the operation works along."""
    return int(problem.options.get("dim", -1))


def class_axis(logits: Array) -> int:
    """Where the classes are: (C,), (N, C) or (N, C, d1, …)."""
    return 0 if logits.ndim == 1 else 1


def coefficients(problem: Problem, classes: int, number: Callable[[Any], Any] = np.asarray) -> tuple[Array, Any]:
    """Cross-entropy in one form: its coefficients t (R, C), and the denominator D of the mean.

        loss_i = -Σ_j t_ij log softmax(x_i)_j,    t_ij = w_j ((1 - ε) q_ij + ε / C),

    where q is the one-hot row of a label or the given probabilities, t_i = 0 for an ignored row, and D is the sum of
    the kept rows' label weights (labels) or the number of rows (probabilities); torch.nn.CrossEntropyLoss states both.
    `number` converts the float64 inputs: to balls for the truth, or by ``np.abs`` for magnitudes.
    """
    target, options = problem.inputs["target"], problem.options
    weight = problem.inputs.get("weight", np.ones(classes))
    epsilon = number(np.array(options.get("label_smoothing", 0.0)))
    if target.dtype == np.int64:
        labels = target.reshape(-1)
        kept = labels != options.get("ignore_index", -100)
        q = (labels[:, None] == np.arange(classes)) & kept[:, None]
        denominator = number(weight[labels[kept]]).sum()
    else:
        q = to_rows(target, class_axis(target))
        kept = np.ones(len(q), bool)
        denominator = number(np.array(float(len(q))))
    t = number(weight) * ((1 - epsilon) * number(q.astype(np.float64)) + epsilon / classes)
    return np.where(kept[:, None], t, number(np.zeros(1))), denominator
