"""The truth: what mathematics says, evaluated in balls (enclosures) of any precision, or in float64.

One set of formulas, two kinds of numbers. With `bits` above 53 each element is a `flint.arb` ball that certainly
contains the exact value, or one of the Python floats inf, -inf and nan where the exact answer is not a finite number;
arb is Johansson, "Arb: efficient arbitrary-precision midpoint-radius interval arithmetic", IEEE Trans. Comput. 66(8),
2017. With 53 bits the same formulas are evaluated in float64, and how far they may be off is a theorem of
docs/theory/bounds.md, which `judge` applies. The number of bits is an argument; nothing here leaves a global changed.

Signs, zeros and denominators are decided in integers on the float64 inputs (`exact_sums`, `signs`), never by a ball or
by float64, and so are the same at every precision. A ball that is not finite decides nothing and asks for more bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx, fmpq

from ..problem.checks import check
from ..problem.exact_sums import nearest
from ..problem.operations import output_shapes
from ..problem.problem import Array, Problem
from ..problem.rows import (
    ALL,
    REDUCED,
    Rows,
    axis_of,
    blocks,
    by_positions,
    class_weights,
    coefficients,
    count_classes,
    count_rows,
    exact_denominator,
    is_labels,
    is_reduced,
    is_sparse,
    kept,
    label_coefficients,
    of_positions,
    reduction_of,
    row_length,
    shaped,
    to_rows,
    wide_rows,
    with_softmax,
)
from ..problem.validation import check_precision
from .signs import own_signs, smoothing_of

Truth = dict[str, Array]
Number = Callable[[Any], Any]  # from float64 values to the numbers that are computed with
FLOAT64 = 53  # as a number of bits: not balls, but float64 itself

_ball = np.frompyfunc(arb, 1, 1)
_middle = np.frompyfunc(arb.mid, 1, 1)
_is_float = np.frompyfunc(float.__instancecheck__, 1, 1)  # isinstance(element, float)


def balls(values: Array) -> Array:
    """float64 values as exact balls."""
    return np.asarray(_ball(np.asarray(values, np.float64)), dtype=object)


def floats(values: Array) -> Array:
    """float64 values as they are."""
    return np.asarray(values, np.float64)


def number_of(exact: Fraction, number: Number) -> Any:
    """One rational number, as float64 or as a ball."""
    return np.float64(nearest(exact)) if number is floats else arb(fmpq(exact.numerator, exact.denominator))


def solve(problem: Problem, bits: int = 128) -> Truth:
    """Value and derivatives of a problem, each element enclosed with a working precision of `bits`.

    Raises: ValueError, TypeError or IndexError when the problem asks nothing sensible, or `bits` is not at least 53.

    >>> problem = Problem("logsumexp", "float64", {"logits": [0.0, 0.0]}, {"dim": -1}, grad_output=1.0)
    >>> print(solve(problem)["value"][()].str(30))
    [0.693147180559945309417232121458 +/- 1.77e-31]
    """
    check(problem)
    bits = check_precision("bits", bits)
    found, summands = solve_rows(problem, bits)
    found |= {name: total(problem, [each], bits) for name, each in summands.items()}
    return {name: shaped(problem, name, found[name], shape) for name, shape in output_shapes(problem).items()}


def solve_rows(problem: Problem, bits: int, rows: Rows = ALL) -> tuple[Truth, Truth]:
    """The truth about some rows, in row form; and of what is reduced, what `total` wants of these rows (r, 1)."""
    if "logits" in problem.inputs and not row_length(problem):
        found = _of_no_classes(problem, rows)
    elif bits == FLOAT64:
        with np.errstate(all="ignore"):
            found = _SOLVERS[problem.operation](problem, rows, floats)
    else:
        with ctx.workprec(bits):
            found = _SOLVERS[problem.operation](problem, rows, balls)
    summands = {name: found.pop(name) for name in REDUCED if name in found and is_reduced(problem, name)}
    return found, summands


def total(problem: Problem, losses: Sequence[Array], bits: int) -> Array:
    """The reduced loss, or its derivative in a direction, (1, 1), from those of all rows."""
    with ctx.workprec(bits), np.errstate(all="ignore"):
        return _reduced(problem, np.concatenate(losses), floats if bits == FLOAT64 else balls)


def _sum(array: Array, axis: int | None = None) -> Array:
    """A sum that keeps its axis, and is a number even when nothing is summed."""
    nothing = arb(0) if array.dtype == object else 0.0
    return np.asarray(np.sum(array, axis=axis, keepdims=True) + nothing, dtype=array.dtype)


def _matmul(p: Array, q: Array) -> Array:
    """p (m, n), of which elements may be nan, times q (n, k)."""
    if p.dtype != object:
        return np.asarray(p @ q)
    if 0 in (*p.shape, *q.shape):
        return balls(np.zeros((len(p), q.shape[1])))
    unknown = _is_float(p).astype(bool)  # nan, which no ball can say
    entries = (arb_mat(np.where(unknown, 0, p).tolist()) * arb_mat(q.tolist())).entries()
    found = np.array(entries, dtype=object).reshape(len(p), q.shape[1])
    return np.where(unknown.any(-1, keepdims=True), np.nan, found)


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
        top, shift = _highest(x, masked)
        d = x - shift  # any shift gives the same mathematics
        e, zero = np.exp(d), number(np.zeros(1))
        if masked.any():
            e, d = np.where(masked, zero, e), np.where(masked, zero, d)
        s, largest = _sum(e, -1), e[top]
        e[top] = np.expm1(d[top])  # 0, unless x is itself a ball
        log_s = np.log1p(_sum(e, -1))
        e[top] = largest
        l = d - log_s  # noqa: E741
        l = np.where(masked, zero, l) if masked.any() else l  # noqa: E741
        return cls(e, e / s, l, shift + log_s, masked)

    def mean(self, v: Array) -> Array:
        """Σ_k p_k v_k (r, 1), of a direction v (r, C)."""
        return _sum(self.p * v, -1)

    def along(self, v: Array) -> Array:
        """J v (r, C), the derivative of p in the direction v, with J = diag(p) - p pᵀ."""
        return np.asarray(self.p * (v - self.mean(v)))


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


def _upstream_signs(problem: Problem, rows: Rows) -> Array:
    """The sign of the upstream gradient of each row (r, 1), or that of all rows (1, 1)."""
    g = np.sign(np.asarray(problem.grad_output, np.float64)).reshape(-1, 1)
    return g[rows] if reduction_of(problem) == "none" else g


def _direction(problem: Problem, rows: Rows, number: Number) -> Array:
    """The tangent of each class (r, C)."""
    assert problem.tangent is not None
    return np.asarray(number(wide_rows(problem.tangent, axis_of(problem), rows)))


def _softmax(problem: Problem, rows: Rows, number: Number) -> Truth:
    f, defined = _of_logits(problem, rows, number)
    truth = {"value": f.p}
    if problem.grad_output is not None:
        g = _upstream(problem, rows, number)
        truth["grad_logits"] = f.p * (g - f.mean(g))
    if problem.tangent is not None:
        truth["jvp"] = f.along(_direction(problem, rows, number))
        if problem.grad_output is not None:
            truth["hvp_logits"] = truth["jvp"] * (g - f.mean(g)) - f.p * _sum(g * truth["jvp"], -1)
    return _where_defined(truth, defined)


def _log_softmax(problem: Problem, rows: Rows, number: Number) -> Truth:
    f, defined = _of_logits(problem, rows, number)
    truth = {"value": np.where(f.masked, -np.inf, f.l) if f.masked.any() else f.l}
    if problem.grad_output is not None:
        g = _upstream(problem, rows, number)
        truth["grad_logits"] = g - f.p * _sum(g, -1)
    if problem.tangent is not None:
        v = _direction(problem, rows, number)
        truth["jvp"] = v - f.mean(v)
        if problem.grad_output is not None:
            truth["hvp_logits"] = -_sum(g, -1) * f.along(v)
    return _where_defined(truth, defined)


def _logsumexp(problem: Problem, rows: Rows, number: Number) -> Truth:
    f, defined = _of_logits(problem, rows, number)
    truth = {"value": f.lse}
    if problem.grad_output is not None:
        g = _upstream_of_rows(problem, rows, number)
        truth["grad_logits"] = g * f.p
    if problem.tangent is not None:
        v = _direction(problem, rows, number)
        truth["jvp"] = f.mean(v)
        if problem.grad_output is not None:
            truth["hvp_logits"] = g * f.along(v)
    truth = _where_defined(truth, defined)
    top = wide_rows(problem.inputs["logits"], axis_of(problem), rows).max(-1, keepdims=True)
    if not np.isfinite(top).all():  # the sum of e^x is 0, infinite, or not a number
        truth["value"] = np.where(np.isfinite(top), truth["value"], top)
    return truth


def _of_no_classes(problem: Problem, rows: Rows) -> Truth:
    """Of each row nothing, whose sum of e^x is 0: logsumexp is -inf, and its derivatives are 0/0."""
    count = len(np.arange(count_rows(problem))[rows])
    alone = {"value": -np.inf, "jvp": np.nan} if problem.operation == "logsumexp" else {}
    return {name: np.full((count, int(name in alone)), alone.get(name, 0.0)) for name in output_shapes(problem)}


# ---- entropy, cross-entropy and divergence of distributions ---------------------------------------------------------


@dataclass(frozen=True)
class _Distribution:
    """Some rows of a distribution as numbers."""

    p: Array  # (r, C)
    zero: Array  # (r, C), where p = 0

    @classmethod
    def of(cls, problem: Problem, name: str, rows: Rows, number: Number) -> _Distribution:
        p = wide_rows(problem.inputs[name], axis_of(problem), rows)
        return cls(number(p), p == 0)

    @cached_property
    def positive(self) -> Array:
        """1 in place of 0."""
        return np.where(self.zero, self.p + 1, self.p) if self.zero.any() else self.p

    @cached_property
    def log(self) -> Array:
        """0 in place of -inf."""
        return np.asarray(np.log(self.positive))


def _entropy(problem: Problem, rows: Rows, number: Number) -> Truth:
    p = _Distribution.of(problem, "p", rows, number)
    truth = {"value": -_sum(p.p * p.log, -1)}
    if problem.grad_output is not None:
        g, sign = _upstream_of_rows(problem, rows, number), _upstream_signs(problem, rows)
        truth["grad_p"] = _with_limit(-g * (p.log + 1), sign, p.zero)
    return truth


def _distribution_cross_entropy(problem: Problem, rows: Rows, number: Number) -> Truth:
    p, q = (_Distribution.of(problem, name, rows, number) for name in ("p", "q"))
    truth = {"value": _unless_impossible(-_sum(p.p * q.log, -1), p, q)}
    if problem.grad_output is not None:
        g, sign = _upstream_of_rows(problem, rows, number), _upstream_signs(problem, rows)
        truth["grad_p"] = _with_limit(-g * q.log, sign, q.zero)
        truth["grad_q"] = _grad_q(g, sign, p, q)
    return truth


def _kl_divergence(problem: Problem, rows: Rows, number: Number) -> Truth:
    p, q = (_Distribution.of(problem, name, rows, number) for name in ("p", "q"))
    truth = {"value": _unless_impossible(_sum(p.p * p.log, -1) - _sum(p.p * q.log, -1), p, q)}
    if problem.grad_output is not None:
        g, sign = _upstream_of_rows(problem, rows, number), _upstream_signs(problem, rows)
        grad = _with_limit(g * (p.log - q.log + 1), sign, q.zero)
        truth["grad_p"] = _with_limit(grad, -sign, p.zero)
        truth["grad_q"] = _grad_q(g, sign, p, q)
    return truth


def _unless_impossible(total: Array, p: _Distribution, q: _Distribution) -> Array:
    """`total` (r, 1), and inf where something with p > 0 is impossible in q."""
    infinite = (q.zero & ~p.zero).any(-1, keepdims=True)
    return np.where(infinite, np.inf, total) if infinite.any() else total


def _grad_q(g: Array, sign: Array, p: _Distribution, q: _Distribution) -> Array:
    """-g p/q: infinite where q alone is 0, and 0 where p is, since 0 log q is 0 for every q."""
    return _with_limit(-g * p.p / q.positive, -sign, q.zero & ~p.zero)


def _with_limit(grad: Array, sign: Array, where: Array) -> Array:
    """`grad`, and `where` the derivative is infinite, a one-sided limit, inf with that `sign`; 0 where it is 0."""
    if not where.any():
        return grad
    with np.errstate(invalid="ignore"):
        return np.where(where, np.where(sign == 0, 0.0, sign * np.inf), grad)


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
    by_bias = _sum(g, 0) if g.dtype != object else _matmul(g.T, balls(np.ones((len(g), 1)))).T
    return {"grad_input": _matmul(g, w), "grad_weight": _matmul(g.T, x), "grad_bias": by_bias}


def _flat(truth: Truth) -> Truth:
    """In row form: one row of everything."""
    return {name: array.reshape(1, -1) for name, array in truth.items()}


# ---- cross-entropy --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Terms:
    """The coefficients t of some rows (r, C); or (r, 1), in the places `at`, where one class alone counts."""

    problem: Problem
    f: _Softmax
    rows: Rows
    number: Number
    t: Array
    at: tuple[Array, Array] | None

    @classmethod
    def of(cls, problem: Problem, f: _Softmax, rows: Rows, number: Number) -> _Terms:
        classes = f.p.shape[1]
        if not is_sparse(problem):
            return cls(problem, f, rows, number, coefficients(problem, classes, rows, number), None)
        columns, weights = label_coefficients(problem, classes, rows)
        return cls(problem, f, rows, number, number(weights), (np.arange(len(f.p))[:, None], columns))

    def of_these(self, array: Array) -> Array:
        """The places of (r, C) that t has."""
        return array if self.at is None else array[self.at]

    @property
    def finite_losses(self) -> Array:
        """-Σ_j t_j l_j over the classes that are not masked: (r, 1)."""
        return -_sum(self.t * self.of_these(self.f.l), -1)

    @property
    def losses(self) -> Array:
        """-Σ_j t_j l_j, and inf with the sign of t_j where a class with t_j ≠ 0 is masked: (r, 1)."""
        losses = self.finite_losses
        if not self.f.masked.any():
            return losses
        sign = own_signs(self.problem, self.f.p.shape[1], self.rows) * self.of_these(self.f.masked)
        above, below = (sign > 0).any(-1, keepdims=True), (sign < 0).any(-1, keepdims=True)
        infinite = np.where(below, np.where(above, np.nan, -np.inf), np.inf)
        return np.where(above | below, infinite, losses)

    def along(self, v: Array) -> Array:
        """The derivatives of the losses in the direction v (r, C), Σ_j t_j (Σ_k p_k v_k - v_j): (r, 1)."""
        return _sum(self.t * (self.f.mean(v) - self.of_these(v)), -1)

    def gradients(self) -> Truth:
        """∂L/∂x, ∂L/∂q, and the derivative of ∂L/∂x in the direction of the tangent, all (r, C)."""
        problem, classes, zero = self.problem, self.f.p.shape[1], self.number(np.zeros(1))
        assert problem.grad_output is not None
        counts = kept(problem, self.rows)[:, None]
        c = self.number(problem.grad_output.reshape(-1, 1))  # ∂(whole)/∂loss_i
        c = c[self.rows] if reduction_of(problem) == "none" else np.broadcast_to(c, (len(self.t), 1))
        if reduction_of(problem) == "mean":
            divisor = exact_denominator(problem, classes)
            if divisor == 0:  # 0/0 in every row that counts, and no gradient in a row that does not
                undefined = np.where(counts, np.nan, zero) * np.ones((1, classes))
                return dict.fromkeys(self._gradient_names, undefined)
            c = np.where(counts, c / number_of(divisor, self.number), zero)
        slopes = c * _sum(self.t, -1)
        truth = {"hvp_logits": slopes * self.f.along(self._tangent)} if "hvp_logits" in self._gradient_names else {}
        truth["grad_logits"] = self._of_logits(c, slopes)
        if not is_labels(problem):
            truth["grad_target"] = self._of_target(c)
        return truth

    @property
    def _gradient_names(self) -> list[str]:
        asked = {"grad_target": not is_labels(self.problem), "hvp_logits": self.problem.tangent is not None}
        return ["grad_logits", *(name for name, is_asked in asked.items() if is_asked)]

    @property
    def _tangent(self) -> Array:
        return _direction(self.problem, self.rows, self.number)

    def _of_logits(self, c: Array, slopes: Array) -> Array:
        f, grad = self.f, slopes * self.f.p
        if self.at is None:
            return np.asarray(grad - c * self.t)
        own, others = f.e[self.at], f.e.copy()
        others[self.at] = self.number(np.zeros(1))
        beside = _sum(others, -1)
        grad[self.at] = -c * self.t * (beside / (beside + own))  # p - 1 without a cancellation
        return np.asarray(grad)

    def _of_target(self, c: Array) -> Array:
        problem, classes = self.problem, self.f.p.shape[1]
        weight, smoothing = class_weights(problem, classes), smoothing_of(problem)
        slope = self.number(weight) * (1 - self.number(np.array(smoothing)))  # (C,)
        sign = _upstream_signs(problem, self.rows) * np.sign(weight) * (smoothing < 1)  # of c times it
        # a slope of 0 is 0 at every log-probability, and so in the limit
        return _with_limit(-c * slope * self.f.l, sign, self.f.masked)


def _reduced(problem: Problem, losses: Array, number: Number) -> Array:
    """The sum, or the mean, of losses (R, 1); a mean over nothing is 0/0, nan: (1, 1)."""
    mean = reduction_of(problem) == "mean"
    divisor = exact_denominator(problem, count_classes(problem)) if mean else Fraction(1)
    if divisor == 0:
        return np.full((1, 1), np.nan, losses.dtype)
    if losses.dtype == object and (special := [loss for loss in losses.flat if isinstance(loss, float)]):
        return np.full((1, 1), -sum(special) if divisor < 0 else sum(special), losses.dtype)  # an infinity, or nan
    return np.asarray(_sum(losses) / number_of(divisor, number))


def _cross_entropy(problem: Problem, rows: Rows, number: Number) -> Truth:
    f, defined = _of_logits(problem, rows, number)
    terms = _Terms.of(problem, f, rows, number)
    truth = {"value": terms.losses}
    if problem.tangent is not None:
        truth["jvp"] = terms.along(_direction(problem, rows, number))
    if problem.grad_output is not None:
        truth |= terms.gradients()
    unknown = _has_nan_target(problem, rows)
    truth |= {name: np.where(unknown, np.nan, truth[name]) for name in truth if name != "grad_target" and unknown.any()}
    return _where_defined(truth, defined | ~kept(problem, rows)[:, None])  # an ignored row counts nothing


def without_masked(problem: Problem, rows: Rows, bits: int) -> Array:
    """The value of some rows, or of what all of them are reduced to, without the terms whose logarithm is -inf."""
    with ctx.workprec(bits):
        if "logits" not in problem.inputs:
            return _without_impossible(problem, rows)
        if reduction_of(problem) == "none":
            return _finite_losses(problem, rows)
        return total(problem, [_finite_losses(problem, each) for each in blocks(problem)], bits)


def _without_impossible(problem: Problem, rows: Rows) -> Array:
    """Of a cross-entropy, or divergence, of distributions: (r, 1)."""
    p, q = (_Distribution.of(problem, name, rows, balls) for name in ("p", "q"))
    own = p.log if problem.operation == "kl_divergence" else balls(np.zeros(1))
    possible = np.where(q.zero, balls(np.zeros(1)), p.p)
    return _sum(possible * own - possible * q.log, -1)


def _finite_losses(problem: Problem, rows: Rows) -> Array:
    f, _ = _of_logits(problem, rows, balls)
    return _Terms.of(problem, f, rows, balls).finite_losses


def _has_nan_target(problem: Problem, rows: Rows) -> Array:
    """Whether a target probability of the row is NaN: (r, 1), or (1, 1)."""
    if is_labels(problem):
        return np.zeros((1, 1), bool)
    return np.asarray(np.isnan(wide_rows(problem.inputs["target"], axis_of(problem), rows)).any(-1, keepdims=True))


def _linear_cross_entropy(problem: Problem, rows: Rows, number: Number) -> Truth:
    inputs = problem.inputs
    x = number(wide_rows(inputs["input"], -1, rows))  # (N, D)
    w = number(to_rows(inputs["linear_weight"], -1))  # (C …, D)
    a = _matmul(x, w.T)  # (N, C …)
    if "linear_bias" in inputs:
        a = a + number(inputs["linear_bias"].reshape(-1))
    a = of_positions(problem, a)  # (R, C)
    terms = _Terms.of(problem, _Softmax.of(a, np.zeros(a.shape, bool), number), rows, number)
    truth = {"value": terms.losses if reduction_of(problem) == "none" else _reduced(problem, terms.losses, number)}
    if problem.grad_output is not None:
        grads = _linear_gradients(by_positions(problem, terms.gradients()["grad_logits"]), x, w)
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
