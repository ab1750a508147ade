"""How far a correct implementation may lie from the truth: one function per theorem of docs/bounds.md.

Each bound is per element, depends on the problem and an arithmetic model, and is evaluated in float64. A bound of inf
says that the theorem promises nothing there; `compare` then says *no guarantee*. This is the only module of the
project with numbers that act as tolerances, and each of them counts roundings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arithmetic import Arithmetic, any_order
from .formats import Floats
from .operations import value_shape
from .problem import Array, Problem
from .rows import class_axis, coefficients, from_rows, to_rows

Bounds = dict[str, Floats]

EVALUATION = 2.0**-20  # the bounds themselves are evaluated in float64, with fewer than 2**32 roundings of 2**-53


def bound(problem: Problem, arithmetic: Arithmetic | None = None) -> Bounds:
    """Allowed |computed - exact| per element of each output of `problem`, in the order-free model by default.

    >>> problem = Problem("softmax", "float32", {"logits": [0.0, 0.0]}, {"dim": -1})
    >>> (bound(problem)["value"] / 2.0**-24).round(3)  # in units of u: p = 1/2, one addition, two roundings
    array([1.5, 1.5])
    """
    arithmetic = arithmetic or any_order(problem.dtype)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        pairs = _BOUNDS[problem.operation](problem, arithmetic)
        allowed = {name: _store(*pair, arithmetic) * (1 + EVALUATION) for name, pair in pairs.items()}
    return {name: np.where(np.isnan(each), np.inf, each) for name, each in allowed.items()}  # 0·inf promises nothing


# ---- error algebra (docs/bounds.md, section 1) ----------------------------------------------------------------------


def rmul(*errors: Array | float) -> Array:
    """Relative error of a product: Π(1 + r) - 1 without forming 1 + r, which float64 would round to 1.

    >>> rmul(2.0**-53, 2.0**-53) == 2.0**-52 + 2.0**-106
    np.True_
    """
    total: Array = np.asarray(0.0)
    for error in errors:
        total = total + error + total * error
    return total


def rdiv(numerator: Array | float, denominator: Array | float) -> Array:
    """Relative error of a quotient: (1 + a)/(1 - b) - 1; inf when the denominator may vanish."""
    safe = np.where(np.less(denominator, 1), denominator, 0.0)
    return np.where(np.less(denominator, 1), (numerator + safe) / (1 - safe), np.inf)


def _powers(count: int, u: float) -> Array:
    """Relative error of `count` roundings: (1 + u)^count - 1."""
    return np.asarray(np.expm1(count * np.log1p(u)))


def _additions(count: Array | int, u: float) -> Array:
    """Relative error, against Σ|terms|, of adding `count` numbers in any order (Jeannerod & Rump 2013)."""
    return np.maximum(np.asarray(count, np.float64) - 1, 0) * u


def _store(value: Array, error: Array, arithmetic: Arithmetic) -> Array:
    """Theorem 1: one rounding of the result to the storage format."""
    if not arithmetic.rounds_on_storing:
        return error
    storage = arithmetic.storage
    stored = error + storage.u * (np.abs(value) + error) + storage.subnormal / 2
    return np.where(np.isfinite(value), stored, 0.0)


def _grown(log_value: Array, shift: Array) -> Array:
    """At least e^v (e^shift - 1), without 0·inf when v is hugely negative and shift huge."""
    small = np.exp(log_value) * np.expm1(np.minimum(shift, 1))
    return np.where(shift < 1, small, np.exp(log_value + shift))


# ---- softmax and its relatives (sections 2 and 3) -------------------------------------------------------------------


@dataclass(frozen=True)
class _Softmax:
    """Exact quantities of rows in float64, and how far a max-shift evaluation may be from them."""

    arithmetic: Arithmetic
    p: Floats  # (R, C)
    l: Floats  # (R, C)  # noqa: E741  # the letter of the literature: log-probability
    lse: Floats  # (R, 1)
    e_error: Floats  # |ê - e| (R, C)
    s: Floats  # (R, 1)
    sigma: Floats  # relative error of the sum (R, 1)
    lam: Floats  # absolute error of its logarithm (R, 1)
    l_error: Floats  # |l̂ - l| (R, C)
    masked: Array  # (R, C)

    @classmethod
    def of(cls, x: Floats, arithmetic: Arithmetic, x_error: Floats | None = None) -> _Softmax:
        """x (R, C), known up to x_error (R, C)."""
        u, c_exp, c_log = arithmetic.compute.u, arithmetic.c_exp, arithmetic.c_log
        tiny, subnormal = arithmetic.compute.tiny, arithmetic.compute.subnormal
        masked = np.isneginf(x)
        classes = x.shape[-1]

        top = x.max(-1, keepdims=True)
        d = np.where(masked, 0.0, x - top)
        e = np.where(masked, 0.0, np.exp(d))
        others = np.where(np.arange(classes) == x.argmax(-1)[:, None], 0.0, e).sum(-1, keepdims=True)
        s, log_s = 1 + others, np.log1p(others)
        l = d - log_s  # noqa: E741

        moved = np.zeros_like(x) if x_error is None else x_error + x_error.max(-1, keepdims=True)
        shift = moved + u * (np.abs(d) + moved)  # of the shifted logit: what it inherits, and its rounding
        e_error = _grown(d, shift) * (1 + c_exp * u) + e * c_exp * u
        e_error = e_error + np.where(e + e_error < 2 * tiny, arithmetic.exp_subnormals * subnormal, 0.0)
        e_error = np.where(masked | ((d == 0) & (shift == 0)), 0.0, e_error)  # exp(0) = 1 exactly
        sigma = rmul(e_error.sum(-1, keepdims=True) / s, _additions(classes, u))
        log_sigma = np.where(sigma < 1, -np.log1p(-np.minimum(sigma, 1)), np.inf)
        lam = log_sigma + c_log * u * (log_s + log_sigma)
        l_error = np.where(masked, 0.0, (shift + lam) * (1 + u) + u * np.abs(l))
        return cls(arithmetic, e / s, l, top + log_s, e_error, s, sigma, lam, l_error, masked)

    @property
    def p_error(self) -> Floats:
        """|p̂ - p| for p̂ = exp(l̂) as well as for p̂ = ê/ŝ or ê·(1/ŝ) (Theorem 5)."""
        a = self.arithmetic
        roundings = rmul(a.c_exp * a.compute.u, _powers(2, a.compute.u))
        error = _grown(np.where(self.masked, 0.0, self.l), self.l_error) * (1 + roundings) + self.p * roundings
        underflow = 2 * (a.exp_subnormals + 1) * a.compute.subnormal * (1 + rdiv(0.0, self.sigma))
        return np.where(self.masked, 0.0, error + underflow)

    @property
    def division_error(self) -> Floats:
        """|p̂ - p| for p̂ = ê/ŝ or ê·(1/ŝ) only (Theorem 2)."""
        rho = rdiv(_powers(2, self.arithmetic.compute.u), self.sigma)
        error = (self.e_error * (1 + rho) + np.where(self.p > 0, self.p * self.s * rho, 0.0)) / self.s
        return np.where(self.masked, 0.0, error + self.arithmetic.compute.subnormal)


def _dim(problem: Problem) -> int:
    return int(problem.options.get("dim", -1))


Pairs = dict[str, tuple[Array, Array]]  # output name -> (value, error before storing)


def _softmax(problem: Problem, arithmetic: Arithmetic) -> Pairs:
    logits, dim = problem.inputs["logits"], _dim(problem)
    f = _Softmax.of(to_rows(logits, dim), arithmetic)
    pairs = {"value": (f.p, f.division_error)}
    if problem.grad_output is not None:
        u, subnormal = arithmetic.compute.u, arithmetic.compute.subnormal
        g = to_rows(problem.grad_output, dim)
        size, p, b = np.abs(g), f.p, f.p_error
        classes = p.shape[1]
        inner = (g * p).sum(-1, keepdims=True)  # S
        inner_error = (size * b).sum(-1, keepdims=True) * (1 + classes * u)
        inner_error += (classes * u * size * p).sum(-1, keepdims=True) + classes * subnormal
        value = p * (g - inner)
        error = b * np.abs(g - inner) + (p + b) * (inner_error + 3 * u * (size + np.abs(inner) + inner_error))
        pairs["grad_logits"] = (value, error + u * np.abs(value) + 3 * subnormal)
    return {name: (from_rows(v, logits.shape, dim), from_rows(e, logits.shape, dim)) for name, (v, e) in pairs.items()}


def _log_softmax(problem: Problem, arithmetic: Arithmetic) -> Pairs:
    logits, dim = problem.inputs["logits"], _dim(problem)
    f = _Softmax.of(to_rows(logits, dim), arithmetic)
    pairs = {"value": (np.where(f.masked, -np.inf, f.l), f.l_error)}
    if problem.grad_output is not None:
        g = to_rows(problem.grad_output, dim)
        pairs["grad_logits"] = _carried_back(f, g, np.abs(g), np.zeros(1), _nonzeros(g))
    return {name: (from_rows(v, logits.shape, dim), from_rows(e, logits.shape, dim)) for name, (v, e) in pairs.items()}


def _nonzeros(array: Array) -> Array:
    return np.count_nonzero(array, axis=-1, keepdims=True)


def _carried_back(f: _Softmax, h: Array, size: Array, kappa: Array, terms: Array) -> tuple[Array, Array]:
    """Theorem 6: v = h - p Σh, where h is known up to kappa·size and `terms` of a row are not zero."""
    u, subnormal = f.arithmetic.compute.u, f.arithmetic.compute.subnormal
    total, magnitude = h.sum(-1, keepdims=True), size.sum(-1, keepdims=True)
    total_error = magnitude * rmul(kappa, _additions(terms, u))
    b = f.p_error
    product = b * (magnitude + total_error) + f.p * total_error + u * (f.p + b) * (magnitude + total_error)
    value = h - f.p * total
    error = (size * kappa + product) * (1 + _powers(3, u)) + _powers(3, u) * np.abs(value)
    return value, error + 8 * subnormal


def _logsumexp(problem: Problem, arithmetic: Arithmetic) -> Pairs:
    logits, dim = problem.inputs["logits"], _dim(problem)
    f = _Softmax.of(to_rows(logits, dim), arithmetic)
    u, subnormal = arithmetic.compute.u, arithmetic.compute.subnormal
    error = f.lam * (1 + u) + u * np.abs(f.lse)  # (R, 1)
    shape = value_shape(problem)
    pairs = {"value": (f.lse.reshape(shape), error.reshape(shape))}
    if problem.grad_output is not None:
        g = problem.grad_output.reshape(-1, 1)
        x = np.where(f.masked, 0.0, f.l)
        delta = error + u * (np.abs(x) + error)  # of x - ŷ, for p̂ = exp(x - ŷ)
        roundings = rmul(arithmetic.c_exp * u, u)
        p_error = _grown(x, delta) * (1 + roundings) + f.p * roundings + (arithmetic.exp_subnormals + 1) * subnormal
        p_error = np.where(f.masked, 0.0, np.maximum(p_error, f.p_error * (1 + u)))
        value = g * f.p
        grad_error = np.abs(g) * p_error + u * np.abs(value) + subnormal
        pairs["grad_logits"] = (from_rows(value, logits.shape, dim), from_rows(grad_error, logits.shape, dim))
    return pairs


# ---- distributions (section 4) --------------------------------------------------------------------------------------


def _sum_of_logs(problem: Problem, arithmetic: Arithmetic, logs: tuple[str, ...]) -> Pairs:
    """Theorem 7: Σ ± p log q over the arrays named in `logs`."""
    u, dim, p = arithmetic.compute.u, _dim(problem), problem.inputs["p"]
    size: Array = np.zeros_like(p)
    for name in logs:
        q = problem.inputs[name]
        size = size + np.where((p != 0) & (q != 0), p * np.abs(np.log(np.where(q != 0, q, 1.0))), 0.0)
    terms = p.shape[dim] * len(logs)
    relative = rmul(arithmetic.c_log * u, _powers(3, u), _additions(terms, u))
    quotient = p * 2 * u if len(logs) > 1 else np.zeros_like(p)  # log(p/q) of a rounded quotient
    error = (size * relative + quotient * (1 + relative)).sum(dim) + 2 * terms * arithmetic.compute.subnormal
    return {"value": (size.sum(dim), error)}


def _entropy(problem: Problem, arithmetic: Arithmetic) -> Pairs:
    return _sum_of_logs(problem, arithmetic, ("p",))


def _distribution_cross_entropy(problem: Problem, arithmetic: Arithmetic) -> Pairs:
    return _sum_of_logs(problem, arithmetic, ("q",))


def _kl_divergence(problem: Problem, arithmetic: Arithmetic) -> Pairs:
    return _sum_of_logs(problem, arithmetic, ("p", "q"))


# ---- linear (section 5) ---------------------------------------------------------------------------------------------


def _product(
    p: Array, q: Array, arithmetic: Arithmetic, p_error: Array | None = None, bias: Array | None = None
) -> tuple[Array, Array]:
    """Theorem 8: P Q + bias with inner dimension n, where P is known up to p_error."""
    u, n = arithmetic.compute.u, p.shape[1] + (bias is not None)
    inherited = np.zeros((p.shape[0], q.shape[1])) if p_error is None else p_error @ np.abs(q)
    size = np.abs(p) @ np.abs(q) + inherited
    value = p @ q
    if bias is not None:
        size, value = size + np.abs(bias), value + bias
    return value, inherited + n * u * size + n * arithmetic.compute.subnormal


def _linear_gradients(
    g: Array, x: Array, w: Array, arithmetic: Arithmetic, g_error: Array | None = None
) -> dict[str, tuple[Array, Array]]:
    """g = ∂L/∂a (R, C), known up to g_error, carried back through a = x wᵀ + b."""
    transposed = None if g_error is None else g_error.T
    ones = np.ones((len(g), 1))
    columns = _product(g.T, ones, arithmetic, transposed)  # Σ over the rows, as a product with ones
    return {
        "grad_input": _product(g, w, arithmetic, g_error),
        "grad_weight": _product(g.T, x, arithmetic, transposed),
        "grad_bias": (columns[0][:, 0], columns[1][:, 0]),
    }


def _linear(problem: Problem, arithmetic: Arithmetic) -> Pairs:
    inputs = problem.inputs
    x, w = to_rows(inputs["input"], -1), inputs["weight"]  # (R, D), (C, D)
    value, error = _product(x, w.T, arithmetic, bias=inputs.get("bias"))
    shape = value_shape(problem)
    pairs = {"value": (value.reshape(shape), error.reshape(shape))}
    if problem.grad_output is not None:
        grads = _linear_gradients(to_rows(problem.grad_output, -1), x, w, arithmetic)
        value, error = grads["grad_input"]
        grads["grad_input"] = (value.reshape(inputs["input"].shape), error.reshape(inputs["input"].shape))
        pairs |= {name: pair for name, pair in grads.items() if name != "grad_bias" or "bias" in inputs}
    return pairs


# ---- cross-entropy (section 6) --------------------------------------------------------------------------------------

# Roundings of one term c·w((1 - ε)q + ε/C)·l, counted over all ways of forming it: 1 - ε, its product with q, ε/C, the
# addition, the products with w, l and c, and c = g/D as g·(1/D), two more.
TERM_ROUNDINGS = 9


def _loss(problem: Problem, f: _Softmax) -> tuple[tuple[Array, Array], tuple[Array, Array], tuple[Array, Array]]:
    """Theorems 9 to 11: (value, error) of the loss, of ∂L/∂x and of ∂L/∂q."""
    u, subnormal = f.arithmetic.compute.u, f.arithmetic.compute.subnormal
    classes = f.p.shape[1]
    t, denominator = coefficients(problem, classes)
    m, denominator_size = coefficients(problem, classes, np.abs)
    reduction = problem.options.get("reduction", "mean")
    kappa = _powers(TERM_ROUNDINGS, u)
    counted, l_size = m != 0, np.where(m != 0, np.abs(f.l), 0.0)

    size = m * l_size
    error = m * f.l_error * (1 + kappa) + size * kappa + np.where(counted, TERM_ROUNDINGS * subnormal, 0.0)
    over = -1 if reduction == "none" else None  # the classes of a row, or everything
    value, size, error = (t * l_size).sum(over), size.sum(over), error.sum(over)
    additions = _additions(np.asarray(np.count_nonzero(m, axis=over)), u)
    error = error * (1 + additions) + additions * size

    omega: Array = np.asarray(0.0)  # relative error of the mean's denominator
    if reduction == "mean":
        omega = _denominator_error(problem, len(t), denominator, denominator_size, u)
        value, rho = value / denominator, rdiv(u, omega)
        error = error / np.abs(denominator) * (1 + rho) + np.abs(value) * rho + subnormal
    if problem.grad_output is None:
        return (value, error), (value, error), (value, error)

    c = problem.grad_output.reshape(-1, 1) / (denominator if reduction == "mean" else 1.0)  # (R, 1) or (1, 1)
    kappa = rdiv(kappa, omega)
    grad_x, grad_x_error = _carried_back(f, -c * t, np.abs(c) * m, kappa, _nonzeros(m))
    counts = counted.any(-1, keepdims=True)  # a row that does not count has a gradient of 0 exactly
    grad_x, grad_x_error = np.where(counts, grad_x, 0.0), np.where(counts, grad_x_error, 0.0)
    slope = np.abs(c * problem.inputs.get("weight", np.ones(classes))) * (1 - _smoothing(problem))
    grad_q_error = slope * (f.l_error * (1 + kappa) + kappa * np.abs(f.l)) + TERM_ROUNDINGS * subnormal
    return (value, error), (grad_x, grad_x_error), (slope * np.abs(f.l), grad_q_error)


def _smoothing(problem: Problem) -> float:
    return float(problem.options.get("label_smoothing", 0.0))


def _denominator_error(problem: Problem, rows: int, denominator: Array, size: Array, u: float) -> Array:
    """Relative error of D: a sum of label weights in any order, or a count, exact below 1/u."""
    if "weight" in problem.inputs and problem.inputs["target"].dtype == np.int64:
        return _additions(rows, u) * size / np.abs(denominator)
    return np.asarray(0.0 if rows <= 1 / u else u)


def _cross_entropy(problem: Problem, arithmetic: Arithmetic) -> Pairs:
    logits, target = problem.inputs["logits"], problem.inputs["target"]
    axis = class_axis(logits)
    (value, error), grad_x, grad_q = _loss(problem, _Softmax.of(to_rows(logits, axis), arithmetic))
    pairs = {"value": (value.reshape(value_shape(problem)), error.reshape(value_shape(problem)))}
    if problem.grad_output is not None:
        pairs["grad_logits"] = _both_from_rows(grad_x, logits.shape, axis)
        if target.dtype != np.int64:
            pairs["grad_target"] = _both_from_rows(grad_q, logits.shape, axis)
    return pairs


def _both_from_rows(pair: tuple[Array, Array], shape: tuple[int, ...], axis: int) -> tuple[Array, Array]:
    """Value and error, both put back into `shape`."""
    return from_rows(pair[0], shape, axis), from_rows(pair[1], shape, axis)


def _linear_cross_entropy(problem: Problem, arithmetic: Arithmetic) -> Pairs:
    inputs = problem.inputs
    x, w = to_rows(inputs["input"], -1), inputs["linear_weight"]  # (R, D), (C, D)
    a, a_error = _product(x, w.T, arithmetic, bias=inputs.get("linear_bias"))
    (value, error), (grad_a, grad_a_error), _ = _loss(problem, _Softmax.of(a, arithmetic, a_error))
    pairs = {"value": (value.reshape(value_shape(problem)), error.reshape(value_shape(problem)))}
    if problem.grad_output is not None:
        grads = _linear_gradients(grad_a, x, w, arithmetic, grad_a_error)
        shape = inputs["input"].shape
        pairs["grad_input"] = (grads["grad_input"][0].reshape(shape), grads["grad_input"][1].reshape(shape))
        pairs["grad_linear_weight"] = grads["grad_weight"]
        if "linear_bias" in inputs:
            pairs["grad_linear_bias"] = grads["grad_bias"]
    return pairs


_BOUNDS = {
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
