"""The truth: what mathematics says, as balls (enclosures) from arbitrary-precision arithmetic.

Each output is an object array whose elements are `flint.arb` balls that certainly contain the exact value, or the
Python floats inf, -inf and nan where the exact answer is not a finite number. The number of bits is an argument of
`solve`; nothing here leaves a global changed. arb is Johansson, "Arb: efficient arbitrary-precision midpoint-radius
interval arithmetic", IEEE Trans. Comput. 66(8), 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from flint import arb, ctx

from .operations import value_shape
from .problem import Array, Problem
from .rows import class_axis, coefficients, dim_of, from_rows, to_rows

Truth = dict[str, Array]
_ball = np.frompyfunc(arb, 1, 1)


def balls(values: Array) -> Array:
    """float64 values as exact balls."""
    return np.asarray(_ball(np.asarray(values, np.float64)), dtype=object)


_ZERO = balls(np.zeros(1))


def solve(problem: Problem, bits: int = 128) -> Truth:
    """Value and gradients of a problem, each element enclosed with a working precision of `bits`.

    >>> problem = Problem("logsumexp", "float64", {"logits": [0.0, 0.0]}, {"dim": -1}, grad_output=1.0)
    >>> print(solve(problem)["value"][()].str(30))
    [0.693147180559945309417232121458 +/- 1.77e-31]
    """
    with ctx.workprec(bits):
        truth = _SOLVERS[problem.operation](problem)
    return {name: np.asarray(array, dtype=object) for name, array in truth.items()}


def _sum(array: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """A sum that is a ball even when nothing is summed."""
    return np.asarray(np.sum(array, axis=axis, keepdims=keepdims) + arb(0), dtype=object)


def _matmul(p: Array, q: Array) -> Array:
    """p (m, n) times q (n, k)."""
    return _sum(p[:, :, None] * q[None, :, :], axis=1)  # (m, k)


# ---- softmax and its relatives --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Softmax:
    """Softmax of rows. Masked entries (logit -inf) have p = 0; their `l` is left at 0 for the caller to replace."""

    p: Array  # (R, C)
    l: Array  # (R, C)  # noqa: E741  # the letter of the literature: log-probability
    lse: Array  # (R, 1)
    masked: Array  # (R, C) bool

    @classmethod
    def of(cls, x: Array, masked: Array | None = None) -> _Softmax:
        """x (R, C): balls; `masked` marks the entries that are -inf."""
        masked = np.zeros(x.shape, bool) if masked is None else masked
        x = np.where(masked, _ZERO, x)
        top = np.where(masked, -np.inf, x.astype(np.float64)).max(-1, keepdims=True)
        d = x - balls(top)  # any shift gives the same mathematics
        e = np.where(masked, _ZERO, np.exp(d))
        s = _sum(e, -1, keepdims=True)
        return cls(e / s, np.where(masked, _ZERO, d - np.log(s)), balls(top) + np.log(s), masked)


def _of_logits(problem: Problem) -> tuple[_Softmax, tuple[int, ...], int]:
    logits, dim = problem.inputs["logits"], dim_of(problem)
    x = to_rows(logits, dim)
    return _Softmax.of(balls(x), np.isneginf(x)), logits.shape, dim


def _upstream(problem: Problem, axis: int) -> Array:
    assert problem.grad_output is not None
    return balls(to_rows(problem.grad_output, axis))  # (R, C)


def _softmax(problem: Problem) -> Truth:
    f, shape, dim = _of_logits(problem)
    truth = {"value": from_rows(f.p, shape, dim)}
    if problem.grad_output is not None:
        g = _upstream(problem, dim)
        grad = f.p * (g - _sum(g * f.p, -1, keepdims=True))
        truth["grad_logits"] = from_rows(grad, shape, dim)
    return truth


def _log_softmax(problem: Problem) -> Truth:
    f, shape, dim = _of_logits(problem)
    truth = {"value": from_rows(np.where(f.masked, -np.inf, f.l), shape, dim)}
    if problem.grad_output is not None:
        g = _upstream(problem, dim)
        truth["grad_logits"] = from_rows(g - f.p * _sum(g, -1, keepdims=True), shape, dim)
    return truth


def _logsumexp(problem: Problem) -> Truth:
    f, shape, dim = _of_logits(problem)
    truth = {"value": f.lse.reshape(value_shape(problem))}
    if problem.grad_output is not None:
        g = balls(problem.grad_output).reshape(-1, 1)
        truth["grad_logits"] = from_rows(g * f.p, shape, dim)
    return truth


# ---- entropy, cross-entropy and divergence of distributions ---------------------------------------------------------


def _p_log_q(problem: Problem, p_name: str, q_name: str) -> tuple[Array, Array]:
    """Σ p log q over the distribution's axis with 0 log 0 = 0, and where it is -inf."""
    p, q = problem.inputs[p_name], problem.inputs[q_name]
    counted = (p != 0) & (q != 0)
    terms = np.where(counted, balls(p) * np.log(balls(np.where(counted, q, 1.0))), _ZERO)
    dim = dim_of(problem)
    return _sum(terms, dim), ((p != 0) & (q == 0)).any(dim)


def _entropy(problem: Problem) -> Truth:
    return {"value": -_p_log_q(problem, "p", "p")[0]}


def _distribution_cross_entropy(problem: Problem) -> Truth:
    total, infinite = _p_log_q(problem, "p", "q")
    return {"value": np.where(infinite, np.inf, -total)}


def _kl_divergence(problem: Problem) -> Truth:
    cross, infinite = _p_log_q(problem, "p", "q")
    return {"value": np.where(infinite, np.inf, _p_log_q(problem, "p", "p")[0] - cross)}


# ---- linear ---------------------------------------------------------------------------------------------------------


def _linear(problem: Problem) -> Truth:
    inputs = problem.inputs
    x, w = inputs["input"], balls(inputs["weight"])  # (…, D), (C, D)
    rows = balls(to_rows(x, -1))  # (R, D)
    a = _matmul(rows, w.T)  # (R, C)
    if "bias" in inputs:
        a = a + balls(inputs["bias"])
    truth = {"value": a.reshape(value_shape(problem))}
    if problem.grad_output is not None:
        grads = _linear_gradients(_upstream(problem, -1), rows, w)
        grads["grad_input"] = grads["grad_input"].reshape(x.shape)
        truth |= {name: grad for name, grad in grads.items() if name != "grad_bias" or "bias" in inputs}
    return truth


def _linear_gradients(g: Array, x: Array, w: Array) -> Truth:
    """g = ∂L/∂a (R, C) carried back through a = x wᵀ + b."""
    return {"grad_input": _matmul(g, w), "grad_weight": _matmul(g.T, x), "grad_bias": _sum(g, 0)}


# ---- cross-entropy --------------------------------------------------------------------------------------------------


def _loss(problem: Problem, f: _Softmax) -> tuple[Array, Array, Array]:
    """Cross-entropy of rows: the value, ∂L/∂x (R, C) and ∂L/∂q (R, C)."""
    t, denominator = coefficients(problem, f.p.shape[1], balls)
    reduction = problem.options.get("reduction", "mean")
    infinite = (f.masked & (t.astype(np.float64) != 0)).any(-1)  # (R,)
    losses = np.where(infinite, np.inf, -_sum(t * f.l, -1))  # (R,)
    if reduction == "none":
        value = losses.reshape(value_shape(problem))
    else:
        total = np.inf if infinite.any() else _sum(losses).item()
        value = np.asarray(_mean(total, denominator) if reduction == "mean" else total, dtype=object)
    if problem.grad_output is None:
        return value, _ZERO, _ZERO

    c = balls(np.broadcast_to(problem.grad_output.reshape(-1, 1), (len(t), 1)))  # ∂(whole)/∂loss_i (R, 1)
    if reduction == "mean":
        if denominator == 0:  # 0/0 in every row that counts, and no gradient in a row that does not
            undefined = np.where(_kept(problem), np.nan, _ZERO) * np.ones(f.p.shape, dtype=object)
            return value, undefined, undefined
        c = np.where(_kept(problem), c / denominator, _ZERO)
    slope = balls(problem.inputs.get("weight", np.ones(f.p.shape[1]))) * (1 - _smoothing(problem))  # (C,)
    grad_x = c * (_sum(t, -1, keepdims=True) * f.p - t)
    with np.errstate(invalid="ignore"):  # 0·inf is nan, as IEEE 754 says
        infinite_slope = (c * slope).astype(np.float64) * np.inf
    grad_q = np.where(f.masked, infinite_slope, -c * slope * f.l)
    return value, grad_x, grad_q


def _mean(total: arb | float, denominator: arb) -> arb | float:
    """total / denominator; a mean over nothing is 0/0, nan."""
    if denominator == 0:
        return np.nan
    return total if isinstance(total, float) else total / denominator


def _smoothing(problem: Problem) -> arb:
    return arb(float(problem.options.get("label_smoothing", 0.0)))


def _kept(problem: Problem) -> Array:
    """Rows that are not ignored: (R, 1)."""
    target = problem.inputs["target"]
    if target.dtype != np.int64:
        return np.ones((1, 1), bool)
    return np.asarray(target != problem.options.get("ignore_index", -100)).reshape(-1, 1)


def _cross_entropy(problem: Problem) -> Truth:
    logits, target = problem.inputs["logits"], problem.inputs["target"]
    axis = class_axis(logits)
    x = to_rows(logits, axis)
    value, grad_x, grad_q = _loss(problem, _Softmax.of(balls(x), np.isneginf(x)))
    truth = {"value": value}
    if problem.grad_output is not None:
        truth["grad_logits"] = from_rows(grad_x, logits.shape, axis)
        if target.dtype != np.int64:
            truth["grad_target"] = from_rows(grad_q, logits.shape, axis)
    return truth


def _linear_cross_entropy(problem: Problem) -> Truth:
    inputs = problem.inputs
    x, w = balls(to_rows(inputs["input"], -1)), balls(inputs["linear_weight"])  # (R, D), (C, D)
    a = _matmul(x, w.T)  # (R, C)
    if "linear_bias" in inputs:
        a = a + balls(inputs["linear_bias"])
    value, grad_a, _ = _loss(problem, _Softmax.of(a))
    truth = {"value": value}
    if problem.grad_output is not None:
        grads = _linear_gradients(grad_a, x, w)
        truth["grad_input"] = grads["grad_input"].reshape(inputs["input"].shape)
        truth["grad_linear_weight"] = grads["grad_weight"]
        if "linear_bias" in inputs:
            truth["grad_linear_bias"] = grads["grad_bias"]
    return truth


_SOLVERS = {
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
