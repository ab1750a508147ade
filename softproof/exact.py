"""The truth: what mathematics says, evaluated in balls (enclosures) of any precision, or in float64.

One set of formulas, two kinds of numbers. With `bits` above 53 each element is a `flint.arb` ball that certainly
contains the exact value, or one of the Python floats inf, -inf and nan where the exact answer is not a finite number;
arb is Johansson, "Arb: efficient arbitrary-precision midpoint-radius interval arithmetic", IEEE Trans. Comput. 66(8),
2017. With 53 bits the same formulas are evaluated in float64, and how far they may be off is a theorem of
docs/bounds.md, which `judge` applies. The number of bits is an argument; nothing here leaves a global changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx

from .operations import output_shapes
from .problem import Array, Problem
from .rows import (
    ALL,
    Rows,
    axis_of,
    class_weights,
    coefficients,
    count_classes,
    denominator,
    is_labels,
    is_sparse,
    kept,
    label_coefficients,
    reduction_of,
    shaped,
    wide_rows,
    with_softmax,
)

Truth = dict[str, Array]
Number = Callable[[Any], Any]  # from float64 values to the numbers that are computed with
FLOAT64 = 53  # as a number of bits: not balls, but float64 itself

_ball = np.frompyfunc(arb, 1, 1)


def balls(values: Array) -> Array:
    """float64 values as exact balls."""
    return np.asarray(_ball(np.asarray(values, np.float64)), dtype=object)


def floats(values: Array) -> Array:
    """float64 values as they are."""
    return np.asarray(values, np.float64)


def solve(problem: Problem, bits: int = 128) -> Truth:
    """Value and gradients of a problem, each element enclosed with a working precision of `bits`.

    >>> problem = Problem("logsumexp", "float64", {"logits": [0.0, 0.0]}, {"dim": -1}, grad_output=1.0)
    >>> print(solve(problem)["value"][()].str(30))
    [0.693147180559945309417232121458 +/- 1.77e-31]
    """
    found, losses = solve_rows(problem, bits)
    if losses is not None:
        found["value"] = total(problem, [losses], bits)
    return {name: shaped(problem, name, found[name], shape) for name, shape in output_shapes(problem).items()}


def solve_rows(problem: Problem, bits: int, rows: Rows = ALL) -> tuple[Truth, Array | None]:
    """The truth about some rows, in row form, and their losses (r, 1) where the loss is reduced."""
    if bits == FLOAT64:
        with np.errstate(all="ignore"):
            found = _SOLVERS[problem.operation](problem, rows, floats)
    else:
        with ctx.workprec(bits):
            found = _SOLVERS[problem.operation](problem, rows, balls)
    return found, found.pop("losses", None)


def total(problem: Problem, losses: Sequence[Array], bits: int) -> Array:
    """The reduced loss (1, 1), from the losses of all rows."""
    with ctx.workprec(bits), np.errstate(all="ignore"):
        return _reduced(problem, np.concatenate(losses), floats if bits == FLOAT64 else balls)


def _sum(array: Array, axis: int | None = None) -> Array:
    """A sum that keeps its axis, and is a number even when nothing is summed."""
    nothing = arb(0) if array.dtype == object else 0.0
    return np.asarray(np.sum(array, axis=axis, keepdims=True) + nothing, dtype=array.dtype)


def _matmul(p: Array, q: Array) -> Array:
    """p (m, n) times q (n, k)."""
    if p.dtype != object:
        return np.asarray(p @ q)
    if 0 in (*p.shape, *q.shape):
        return balls(np.zeros((len(p), q.shape[1])))
    found = arb_mat(p.tolist()) * arb_mat(q.tolist())
    return np.array(found.entries(), dtype=object).reshape(len(p), q.shape[1])


# ---- softmax and its relatives --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Softmax:
    """Softmax of rows. Masked entries (logit -inf) have p = 0; their `l` is left at 0 for the caller to replace."""

    e: Array  # exponentials of shifted logits (r, C)
    p: Array  # (r, C)
    l: Array  # (r, C)  # noqa: E741  # the letter of the literature: log-probability
    lse: Array  # (r, 1)
    masked: Array  # (r, C) bool

    @classmethod
    def of(cls, x: Array, masked: Array, number: Number) -> _Softmax:
        """x (r, C): numbers; `masked` marks the entries that are -inf, whatever x has there."""
        near = x.astype(np.float64, copy=False)
        near = np.where(masked, -np.inf, near) if masked.any() else near
        top = np.arange(len(x)), near.argmax(-1)
        shift = near[top][:, None]
        d = x - number(shift)  # any shift gives the same mathematics
        e, zero = np.exp(d), number(np.zeros(1))
        if masked.any():
            e, d = np.where(masked, zero, e), np.where(masked, zero, d)
        s, largest = _sum(e, -1), e[top]
        e[top] = np.expm1(d[top])  # 0, unless x is itself a ball
        log_s = np.log1p(_sum(e, -1))
        e[top] = largest
        l = d - log_s  # noqa: E741
        l = np.where(masked, zero, l) if masked.any() else l  # noqa: E741
        return cls(e, e / s, l, number(shift) + log_s, masked)


def _of_logits(problem: Problem, rows: Rows, number: Number) -> tuple[_Softmax, Array]:
    """Softmax of the rows, and which rows have one (r, 1)."""
    x, defined = with_softmax(wide_rows(problem.inputs["logits"], axis_of(problem), rows))
    masked = x == -np.inf
    return _Softmax.of(number(np.where(masked, 0.0, x) if masked.any() else x), masked, number), defined


def _where_defined(truth: Truth, defined: Array) -> Truth:
    """NaN in the rows that have no softmax."""
    if defined.all():
        return truth
    return {name: np.where(defined, array, np.nan) for name, array in truth.items()}


def _upstream(problem: Problem, rows: Rows, number: Number) -> Array:
    """The upstream gradient of each class (r, C)."""
    assert problem.grad_output is not None
    return np.asarray(number(wide_rows(problem.grad_output, axis_of(problem), rows)))


def _upstream_of_rows(problem: Problem, rows: Rows, number: Number) -> Array:
    """The upstream gradient of each row (r, 1)."""
    assert problem.grad_output is not None
    return np.asarray(number(problem.grad_output.reshape(-1, 1)[rows]))


def _softmax(problem: Problem, rows: Rows, number: Number) -> Truth:
    f, defined = _of_logits(problem, rows, number)
    truth = {"value": f.p}
    if problem.grad_output is not None:
        g = _upstream(problem, rows, number)
        truth["grad_logits"] = f.p * (g - _sum(g * f.p, -1))
    return _where_defined(truth, defined)


def _log_softmax(problem: Problem, rows: Rows, number: Number) -> Truth:
    f, defined = _of_logits(problem, rows, number)
    truth = {"value": np.where(f.masked, -np.inf, f.l) if f.masked.any() else f.l}
    if problem.grad_output is not None:
        g = _upstream(problem, rows, number)
        truth["grad_logits"] = g - f.p * _sum(g, -1)
    return _where_defined(truth, defined)


def _logsumexp(problem: Problem, rows: Rows, number: Number) -> Truth:
    f, defined = _of_logits(problem, rows, number)
    truth = {"value": f.lse}
    if problem.grad_output is not None:
        truth["grad_logits"] = _upstream_of_rows(problem, rows, number) * f.p
    truth = _where_defined(truth, defined)
    top = wide_rows(problem.inputs["logits"], axis_of(problem), rows).max(-1, keepdims=True)
    if not np.isfinite(top).all():  # the sum of e^x is 0, infinite, or not a number
        truth["value"] = np.where(np.isfinite(top), truth["value"], top)
    return truth


# ---- entropy, cross-entropy and divergence of distributions ---------------------------------------------------------


@dataclass(frozen=True)
class _Distributions:
    """p and q as numbers, log p and log q (0 in place of -inf), and where they are 0; all (r, C)."""

    p: Array
    q: Array
    log_p: Array
    log_q: Array
    no_p: Array
    no_q: Array

    @classmethod
    def of(cls, problem: Problem, rows: Rows, number: Number) -> _Distributions:
        axis = axis_of(problem)
        p = wide_rows(problem.inputs["p"], axis, rows)
        q = wide_rows(problem.inputs.get("q", problem.inputs["p"]), axis, rows)
        log_p, log_q = (np.log(number(np.where(each == 0, 1.0, each))) for each in (p, q))
        return cls(number(p), number(q), log_p, log_q, p == 0, q == 0)

    def with_impossible(self, total: Array) -> Array:
        """`total` (r, 1), and inf where something with p > 0 is impossible in q."""
        infinite = (self.no_q & ~self.no_p).any(-1, keepdims=True)
        return np.where(infinite, np.inf, total) if infinite.any() else total

    def grad_q(self, g: Array) -> Array:
        """-g p/q: infinite where q alone is 0, and 0 where p is, since 0 log q is 0 for every q."""
        safe = np.where(self.no_q, self.q + 1, self.q) if self.no_q.any() else self.q
        return _with_limit(-g * self.p / safe, -g, self.no_q & ~self.no_p)


def _entropy(problem: Problem, rows: Rows, number: Number) -> Truth:
    f = _Distributions.of(problem, rows, number)
    truth = {"value": -_sum(f.p * f.log_p, -1)}
    if problem.grad_output is not None:
        g = _upstream_of_rows(problem, rows, number)
        truth["grad_p"] = _with_limit(-g * (f.log_p + 1), g, f.no_p)
    return truth


def _distribution_cross_entropy(problem: Problem, rows: Rows, number: Number) -> Truth:
    f = _Distributions.of(problem, rows, number)
    truth = {"value": f.with_impossible(-_sum(f.p * f.log_q, -1))}
    if problem.grad_output is not None:
        g = _upstream_of_rows(problem, rows, number)
        truth["grad_p"] = _with_limit(-g * f.log_q, g, f.no_q)
        truth["grad_q"] = f.grad_q(g)
    return truth


def _kl_divergence(problem: Problem, rows: Rows, number: Number) -> Truth:
    f = _Distributions.of(problem, rows, number)
    truth = {"value": f.with_impossible(_sum(f.p * f.log_p, -1) - _sum(f.p * f.log_q, -1))}
    if problem.grad_output is not None:
        g = _upstream_of_rows(problem, rows, number)
        grad = _with_limit(g * (f.log_p - f.log_q + 1), g, f.no_q)
        truth["grad_p"] = _with_limit(grad, -g, f.no_p)
        truth["grad_q"] = f.grad_q(g)
    return truth


def _with_limit(grad: Array, g: Array, where: Array) -> Array:
    """`grad`, and g·inf `where` the derivative is infinite, a one-sided limit; 0 where g is 0."""
    if not where.any():
        return grad
    g = g.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.where(where, np.where(g == 0, 0.0, g * np.inf), grad)


# ---- linear ---------------------------------------------------------------------------------------------------------


def _linear(problem: Problem, rows: Rows, number: Number) -> Truth:
    inputs = problem.inputs
    x, w = number(wide_rows(inputs["input"], -1, rows)), number(inputs["weight"])  # (R, D), (C, D)
    a = _matmul(x, w.T)  # (R, C)
    truth = {"value": a + number(inputs["bias"]) if "bias" in inputs else a}
    if problem.grad_output is not None:
        grads = _linear_gradients(_upstream(problem, rows, number), x, w)
        truth |= {name: grad for name, grad in grads.items() if name != "grad_bias" or "bias" in inputs}
    return _flat(truth)


def _linear_gradients(g: Array, x: Array, w: Array) -> Truth:
    """g = ∂L/∂a (R, C) carried back through a = x wᵀ + b."""
    return {"grad_input": _matmul(g, w), "grad_weight": _matmul(g.T, x), "grad_bias": _sum(g, 0)}


def _flat(truth: Truth) -> Truth:
    """In row form: one row of everything."""
    return {name: array.reshape(1, -1) for name, array in truth.items()}


# ---- cross-entropy --------------------------------------------------------------------------------------------------


def _losses(problem: Problem, f: _Softmax, rows: Rows, number: Number) -> tuple[Array, Array, Array]:
    """The losses of rows (r, 1), ∂L/∂x and ∂L/∂q (r, C)."""
    classes = f.p.shape[1]
    if is_sparse(problem):  # t, l and what is masked in the column of the label alone: (r, 1)
        columns, weights = label_coefficients(problem, classes, rows)
        at = np.arange(len(f.p))[:, None], columns
        t, l, masked = number(weights), f.l[at], f.masked[at]  # noqa: E741
    else:
        t, l, masked = coefficients(problem, classes, rows, number), f.l, f.masked  # noqa: E741
    losses = -_sum(t * l, -1)
    if f.masked.any():
        sign = np.sign(t.astype(np.float64)) * masked
        above, below = (sign > 0).any(-1, keepdims=True), (sign < 0).any(-1, keepdims=True)
        infinite = np.where(below, np.where(above, np.nan, -np.inf), np.inf)
        losses = np.where(above | below, infinite, losses)
    if problem.grad_output is None:
        return losses, t, t

    reduction, counts = reduction_of(problem), kept(problem, rows)[:, None]
    c = number(problem.grad_output.reshape(-1, 1))  # ∂(whole)/∂loss_i
    c = c[rows] if reduction == "none" else np.broadcast_to(c, (len(t), 1))
    if reduction == "mean":
        divisor = denominator(problem, classes, number)
        if divisor == 0:  # 0/0 in every row that counts, and no gradient in a row that does not
            undefined = np.where(counts, np.nan, number(np.zeros(1))) * np.ones((1, classes))
            return losses, undefined, undefined
        c = np.where(counts, c / divisor, number(np.zeros(1)))
    grad_x = (c * _sum(t, -1)) * f.p
    if is_sparse(problem):
        own = f.e[at]
        f.e[at] = number(np.zeros(1))  # and what remains are the others
        beside = _sum(f.e, -1)
        grad_x[at] = -c * t * (beside / (beside + own))  # p - 1 without a cancellation
    else:
        grad_x = grad_x - c * t
    if is_labels(problem):
        return losses, grad_x, grad_x
    smoothing = number(np.array(float(problem.options.get("label_smoothing", 0.0))))
    slope = number(class_weights(problem, classes)) * (1 - smoothing)  # (C,)
    grad_q = -c * slope * f.l
    certain = slope.astype(np.float64) != 0  # a slope of 0 is 0 at every log-probability, and so in the limit
    return losses, grad_x, _with_limit(grad_q, c * slope, f.masked & certain)


def _reduced(problem: Problem, losses: Array, number: Number) -> Array:
    """The sum, or the mean, of losses (R, 1); a mean over nothing is 0/0, nan: (1, 1)."""
    mean = reduction_of(problem) == "mean"
    divisor = denominator(problem, count_classes(problem), number) if mean else 1
    if divisor == 0:
        return np.full((1, 1), np.nan, losses.dtype)
    if losses.dtype == object and (special := [loss for loss in losses.flat if isinstance(loss, float)]):
        return np.full((1, 1), sum(special), losses.dtype)  # inf, or nan
    return _sum(losses) / divisor


def _cross_entropy(problem: Problem, rows: Rows, number: Number) -> Truth:
    f, defined = _of_logits(problem, rows, number)
    losses, grad_x, grad_q = _losses(problem, f, rows, number)
    counted = defined | ~kept(problem, rows)[:, None]  # an ignored row counts nothing, whatever it holds
    known = counted & ~_has_nan_target(problem, rows)
    if not known.all():
        losses, grad_x = (np.where(known, each, np.nan) for each in (losses, grad_x))
        grad_q = np.where(counted, grad_q, np.nan)
    truth = {"value" if reduction_of(problem) == "none" else "losses": losses}
    if problem.grad_output is not None:
        truth["grad_logits"] = grad_x
        if not is_labels(problem):
            truth["grad_target"] = grad_q
    return truth


def _has_nan_target(problem: Problem, rows: Rows) -> Array:
    """Whether a target probability of the row is NaN: (r, 1), or (1, 1)."""
    if is_labels(problem):
        return np.zeros((1, 1), bool)
    return np.asarray(np.isnan(wide_rows(problem.inputs["target"], axis_of(problem), rows)).any(-1, keepdims=True))


def _linear_cross_entropy(problem: Problem, rows: Rows, number: Number) -> Truth:
    inputs = problem.inputs
    x, w = number(wide_rows(inputs["input"], -1, rows)), number(inputs["linear_weight"])  # (R, D), (C, D)
    a = _matmul(x, w.T)  # (R, C)
    if "linear_bias" in inputs:
        a = a + number(inputs["linear_bias"])
    losses, grad_a, _ = _losses(problem, _Softmax.of(a, np.zeros(a.shape, bool), number), rows, number)
    truth = {"value": losses if reduction_of(problem) == "none" else _reduced(problem, losses, number)}
    if problem.grad_output is not None:
        grads = _linear_gradients(grad_a, x, w)
        truth["grad_input"] = grads["grad_input"]
        truth["grad_linear_weight"] = grads["grad_weight"]
        if "linear_bias" in inputs:
            truth["grad_linear_bias"] = grads["grad_bias"]
    return _flat(truth)


_SOLVERS: dict[str, Callable[[Problem, Rows, Number], Truth]] = {
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "logsumexp": _logsumexp,
    "entropy": _entropy,
    "distribution_cross_entropy": _distribution_cross_entropy,
    "kl_divergence": _kl_divergence,
    "linear": _linear,
    "cross_entropy": _cross_entropy,
    "linear_cross_entropy": _linear_cross_entropy,
}
