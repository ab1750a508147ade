"""The truth of softmax, log-softmax and logsumexp."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from flint import arb

from ..problem.outputs import output_shapes
from ..problem.problem import Array, Problem
from ..problem.rows import Rows, axis_of, count_rows, wide_rows, with_softmax
from .balls import Number, Truth, direction, summed, upstream, upstream_of_rows

_middle = np.frompyfunc(arb.mid, 1, 1)


@dataclass(frozen=True)
class Softmax:
    """Softmax of rows. Masked entries (logit -inf) have p = 0; their `l` is left at 0 for the caller to replace."""

    e: Array  # exponentials of shifted logits (r, C)
    p: Array  # (r, C)
    l: Array  # (r, C)  # noqa: E741  # the letter of the literature: log-probability
    lse: Array  # (r, 1)
    masked: Array  # (r, C) bool

    @classmethod
    def of(cls, x: Array, masked: Array, number: Number) -> Softmax:
        """x (r, C): numbers; `masked` marks the entries that are -inf, whatever x has there."""
        top, shift = _highest(x, masked)
        d = x - shift  # any shift gives the same mathematics
        e, zero = np.exp(d), number(np.zeros(1))
        if masked.any():
            e, d = np.where(masked, zero, e), np.where(masked, zero, d)
        s, largest = summed(e, -1), e[top]
        e[top] = np.expm1(d[top])  # 0, unless x is itself a ball
        log_s = np.log1p(summed(e, -1))
        e[top] = largest
        l = d - log_s  # noqa: E741
        l = np.where(masked, zero, l) if masked.any() else l  # noqa: E741
        return cls(e, e / s, l, shift + log_s, masked)

    def mean(self, v: Array) -> Array:
        """Σ_k p_k v_k (r, 1), of a direction v (r, C)."""
        return summed(self.p * v, -1)

    def along(self, v: Array) -> Array:
        """J v (r, C), the derivative of p in the direction v, with J = diag(p) - p pᵀ."""
        found: Array = self.p * (v - self.mean(v))
        return found


def _highest(x: Array, masked: Array) -> tuple[tuple[Array, Array], Array]:
    """Where each row has its largest logit, up to the doubt about it, and a number without a doubt near it (r, 1)."""
    near = x.astype(np.float64, copy=False)
    near = np.where(masked, -np.inf, near) if masked.any() else near
    at = near.argmax(-1)
    if x.dtype != object:
        return (np.arange(len(x)), at), near[np.arange(len(x)), at][:, None]
    for row in np.flatnonzero(np.isinf(near[np.arange(len(x)), at])):  # beyond float64
        at[row] = max(np.flatnonzero(~masked[row]), key=_middle(x[row]).__getitem__)
    top = np.arange(len(x)), at
    return top, np.asarray(_middle(x[top]))[:, None]


def of_logits(problem: Problem, rows: Rows, number: Number) -> tuple[Softmax, Array]:
    """Softmax of the rows, and which rows have one (r, 1)."""
    x, defined = with_softmax(wide_rows(problem.inputs["logits"], axis_of(problem), rows))
    masked = x == -np.inf
    return Softmax.of(number(np.where(masked, 0.0, x) if masked.any() else x), masked, number), defined


def where_defined(truth: Truth, defined: Array) -> Truth:
    """NaN in the rows that have no softmax."""
    if defined.all():
        return truth
    return {name: np.where(defined, array, np.nan) for name, array in truth.items()}


def softmax(problem: Problem, rows: Rows, number: Number) -> Truth:
    """The value p, and its derivatives: all (r, C)."""
    f, defined = of_logits(problem, rows, number)
    truth = {"value": f.p}
    if problem.grad_output is not None:
        g = upstream(problem, rows, number)
        truth["grad_logits"] = f.p * (g - f.mean(g))
    if problem.tangent is not None:
        truth["jvp"] = f.along(direction(problem, rows, number))
        if problem.grad_output is not None:
            truth["hvp_logits"] = truth["jvp"] * (g - f.mean(g)) - f.p * summed(g * truth["jvp"], -1)
    return where_defined(truth, defined)


def log_softmax(problem: Problem, rows: Rows, number: Number) -> Truth:
    """The value l, -inf where a class is masked, and its derivatives: all (r, C)."""
    f, defined = of_logits(problem, rows, number)
    truth = {"value": np.where(f.masked, -np.inf, f.l) if f.masked.any() else f.l}
    if problem.grad_output is not None:
        g = upstream(problem, rows, number)
        truth["grad_logits"] = g - f.p * summed(g, -1)
    if problem.tangent is not None:
        v = direction(problem, rows, number)
        truth["jvp"] = v - f.mean(v)
        if problem.grad_output is not None:
            truth["hvp_logits"] = -summed(g, -1) * f.along(v)
    return where_defined(truth, defined)


def logsumexp(problem: Problem, rows: Rows, number: Number) -> Truth:
    """The value and its derivative in a direction (r, 1); those by the logits (r, C)."""
    f, defined = of_logits(problem, rows, number)
    truth = {"value": f.lse}
    if problem.grad_output is not None:
        g = upstream_of_rows(problem, rows, number)
        truth["grad_logits"] = g * f.p
    if problem.tangent is not None:
        v = direction(problem, rows, number)
        truth["jvp"] = f.mean(v)
        if problem.grad_output is not None:
            truth["hvp_logits"] = g * f.along(v)
    truth = where_defined(truth, defined)
    top = wide_rows(problem.inputs["logits"], axis_of(problem), rows).max(-1, keepdims=True)
    if not np.isfinite(top).all():  # the sum of e^x is 0, infinite, or not a number
        truth["value"] = np.where(np.isfinite(top), truth["value"], top)
    return truth


def of_no_classes(problem: Problem, rows: Rows) -> Truth:
    """Of each row nothing, whose sum of e^x is 0: logsumexp is -inf, and its derivatives are 0/0."""
    count = len(np.arange(count_rows(problem))[rows])
    alone = {"value": -np.inf, "jvp": np.nan} if problem.operation == "logsumexp" else {}
    return {name: np.full((count, int(name in alone)), alone.get(name, 0.0)) for name in output_shapes(problem)}
