"""Rows without a softmax that weigh nothing: what is NaN of them meets a factor that is exactly 0.

In IEEE arithmetic, and in torch, 0·NaN is NaN; an implementation that leaves out terms with a factor of 0 gives 0. No
document says which, so both are right where the inputs make that factor exactly 0, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from ..problem.losses import class_weights, exact_denominator, kept
from ..problem.operations import OPERATIONS, PER_ROW
from ..problem.problem import Array, Problem
from ..problem.rows import (
    ALL,
    Rows,
    axis_of,
    class_count,
    from_rows,
    reduction_of,
    row_form,
    row_length,
    wide_rows,
    with_softmax,
)
from ..truth.signs import coefficient_signs, smoothing_of
from ..truth.solver import solve
from .elements import Elements
from .lost_terms import BITS, Beside, Rule

NO_WEIGHT_LEFT, NO_UPSTREAM, NO_SLOPE, NO_UPSTREAM_OF_SOFTMAX = 154, 155, 156, 157  # rows of docs/theory/semantics.md
_ZERO: Callable[[Array], Array] = partial(np.equal, 0.0)


def of_nothing(problem: Problem, name: str, rows: Rows) -> Iterator[Rule]:
    """Where 0 is right besides NaN, by rows or by elements; of a loss that rows are reduced to see `without_them`."""
    if (name == "value" and reduction_of(problem) != "none") or "logits" not in problem.inputs:
        return
    undefined = _undefined(problem, rows)
    if not undefined.any():
        return
    if "target" not in problem.inputs:
        if name != "value" and name != "jvp":
            yield NO_UPSTREAM_OF_SOFTMAX, undefined & ~_upstream(problem, rows), _ZERO
    elif _has_denominator(problem):
        if name == "grad_target":
            yield NO_SLOPE, undefined & _has_no_slope(problem, rows), _ZERO
            return
        if name != "jvp" or reduction_of(problem) == "none":
            yield NO_WEIGHT_LEFT, undefined & _weighs_nothing(problem, rows), _ZERO
        if name in ("grad_logits", "hvp_logits"):
            yield NO_UPSTREAM, undefined & kept(problem, rows)[:, None] & ~_upstream(problem, rows), _ZERO


def without_them(problem: Problem, name: str, elements: Elements, beside: Beside) -> Elements:
    """The same of a loss, or its derivative, that all rows are reduced to: what it is without such rows agrees."""
    if name not in ("value", "jvp") or not {"logits", "target"} <= problem.inputs.keys():
        return elements
    if reduction_of(problem) == "none" or elements.agreed.all() or not _has_denominator(problem):
        return elements
    nothing = _undefined(problem, ALL) & _weighs_nothing(problem, ALL)
    if not nothing.any():
        return elements
    truth = solve(_with_zeros(problem, nothing), BITS)[name]
    return elements.unless(NO_WEIGHT_LEFT, beside(row_form(problem, name, truth)).agreed, _anything)


def _anything(got: Array) -> Array:
    return np.ones(got.shape, bool)


def _undefined(problem: Problem, rows: Rows) -> Array:
    """Rows that have no softmax, nor a limit of one (r, 1)."""
    if not row_length(problem):
        return np.zeros((1, 1), bool)
    return np.asarray(~with_softmax(wide_rows(problem.inputs["logits"], axis_of(problem), rows))[1])


def _weighs_nothing(problem: Problem, rows: Rows) -> Array:
    """Rows that count, all of whose coefficients are exactly 0 (r, 1)."""
    signs = coefficient_signs(problem, class_count(problem), rows)
    return np.asarray((signs == 0).all(-1, keepdims=True) & kept(problem, rows)[:, None])


def _upstream(problem: Problem, rows: Rows) -> Array:
    """Rows to which an upstream gradient comes that is not 0: (r, 1), or (1, 1) for all."""
    g = np.asarray(problem.grad_output)
    if "target" in problem.inputs:
        by_row = g.reshape(-1, 1)
        return np.asarray((by_row[rows] if reduction_of(problem) == "none" else by_row) != 0)
    if OPERATIONS[problem.operation].value == PER_ROW:
        return np.asarray(g.reshape(-1, 1)[rows] != 0)
    return np.asarray((wide_rows(g, axis_of(problem), rows) != 0).any(-1, keepdims=True))


def _has_no_slope(problem: Problem, rows: Rows) -> Array:
    """Where g w(1 - ε), a factor of ∂L/∂q, is exactly 0: (r, C), or what broadcasts to it."""
    weightless = class_weights(problem, class_count(problem)) == 0
    return np.asarray(weightless | ~_upstream(problem, rows) | (smoothing_of(problem) == 1))


def _has_denominator(problem: Problem) -> bool:
    """Whether nothing is divided by 0."""
    if reduction_of(problem) != "mean":
        return True
    return bool(kept(problem).any()) and exact_denominator(problem, class_count(problem)) != 0


def _with_zeros(problem: Problem, where: Array) -> Problem:
    """The same with logits of 0 in these rows (r, 1), of which nothing is left."""
    logits, axis = problem.inputs["logits"], axis_of(problem)
    x = np.where(where, 0.0, wide_rows(logits, axis))
    inputs = {**problem.inputs, "logits": from_rows(x, logits.shape, axis).astype(logits.dtype)}
    return replace(problem, inputs=inputs)
