"""Rows with several +inf: they have no softmax, and yet a loss below these, and some derivatives, have a limit.

An implementation that subtracts a logsumexp reaches that limit: +inf - x_y, and exp(x - inf) = 0. Others form
inf - inf, which is NaN.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..bounds.algebra import powers, rdiv
from ..bounds.arithmetic import any_order
from ..bounds.coefficients import Mean
from ..problem.formats import FORMATS
from ..problem.losses import class_weights, is_sparse, kept, label_coefficients
from ..problem.problem import Array, Problem
from ..problem.rows import Rows, axis_of, blocks, once, reduction_of, wide_rows, with_softmax
from .lost_terms import Rule

BESIDE_THE_LABEL = 129  # row of docs/theory/semantics.md
ROUNDINGS = 4  # of g w/D: a reciprocal, two products, and the result's


def of_infinities(problem: Problem, name: str, rows: Rows) -> Iterator[Rule]:
    """Where the limit is right besides NaN: of losses of labels without smoothing, and of their gradients."""
    if not is_sparse(problem):
        return
    if name == "value" and reduction_of(problem) == "none":
        yield BESIDE_THE_LABEL, _has_limit(problem, rows), np.isposinf
    elif name == "value":
        yield BESIDE_THE_LABEL, np.array([[_sum_has_limit(problem)]]), np.isposinf
    elif name == "grad_logits":
        limit = _slope(problem, rows)
        reach = np.abs(limit) * _error(problem) + FORMATS[problem.dtype].subnormal * (limit != 0)
        yield BESIDE_THE_LABEL, ~np.isnan(limit), lambda got: np.abs(got - limit) <= reach


def _has_limit(problem: Problem, rows: Rows) -> Array:
    """Rows that count whose label has a weight above 0, and a logit below several +inf (r, 1)."""
    x = wide_rows(problem.inputs["logits"], axis_of(problem), rows)
    label = problem.inputs["target"].reshape(-1)[rows][:, None] == np.arange(x.shape[-1])
    weighs = class_weights(problem, x.shape[-1]) > 0
    below = (label & (x < np.inf) & weighs).any(-1, keepdims=True)
    return np.asarray(below & (x.max(-1, keepdims=True) == np.inf) & kept(problem, rows)[:, None])


@once
def _sum_has_limit(problem: Problem) -> bool:
    """Whether some row has that limit, and every other that counts a loss, none of which weighs less than 0."""
    some = False
    for rows in blocks(problem):
        limit = _has_limit(problem, rows)
        x = wide_rows(problem.inputs["logits"], axis_of(problem), rows)
        weights = label_coefficients(problem, x.shape[-1], rows)[1]
        if not (limit | with_softmax(x)[1] | ~kept(problem, rows)[:, None]).all() or (weights < 0).any():
            return False
        some = some or bool(limit.any())
    return some


def _slope(problem: Problem, rows: Rows) -> Array:
    """g (0 - t)/D, the limit of the gradient at logits below +inf in rows that have one, NaN elsewhere (r, C)."""
    x = wide_rows(problem.inputs["logits"], axis_of(problem), rows)
    columns, t = label_coefficients(problem, x.shape[-1], rows)
    g = np.asarray(problem.grad_output, np.float64).reshape(-1, 1)
    g = g[rows] if reduction_of(problem) == "none" else g
    divisor = Mean.of(problem, any_order(problem.dtype)).divisor
    with np.errstate(all="ignore"):
        slope = np.where(columns == np.arange(x.shape[-1]), -g * t / divisor, 0.0)
    there = (x < np.inf) & (x.max(-1, keepdims=True) == np.inf) & kept(problem, rows)[:, None]
    return np.where(there, slope, np.nan)


def _error(problem: Problem) -> float:
    """The relative error of g w/D."""
    omega = Mean.of(problem, any_order(problem.dtype)).omega
    return float(rdiv(powers(ROUNDINGS, FORMATS[problem.dtype].u), omega))
